// ELF files made by hand, and what their reader says of them as text.
#pragma once

#include <elf.h>
#include <fmt/format.h>

#include <cstring>
#include <string>
#include <vector>

#include "collector/symbols/elf_symbols.h"
#include "common/status.h"

namespace huatuo {

struct ImageSymbol {
  std::string name;
  uint64_t value = 0;
  uint64_t size = 0;
  unsigned char type = STT_FUNC;
  uint16_t section = 1;
};

inline void Append(std::string& to, const void* bytes, size_t count) {
  to.append(static_cast<const char*>(bytes), count);
}

// Header, one code segment (file offset 0x1000 at address 0x401000), names, symbols, sections.
inline std::string MakeElf(const std::vector<ImageSymbol>& symbols) {
  std::string names(1, '\0');
  std::string table(sizeof(Elf64_Sym), '\0');
  for (const ImageSymbol& symbol : symbols) {
    Elf64_Sym entry{};
    entry.st_name = static_cast<uint32_t>(names.size());
    entry.st_info = ELF64_ST_INFO(STB_GLOBAL, symbol.type);
    entry.st_shndx = symbol.section;
    entry.st_value = symbol.value;
    entry.st_size = symbol.size;
    Append(table, &entry, sizeof(entry));
    names += symbol.name + '\0';
  }
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_phoff = sizeof(header);
  header.e_phnum = 1;
  header.e_phentsize = sizeof(Elf64_Phdr);
  const uint64_t names_at = sizeof(header) + sizeof(Elf64_Phdr);
  const uint64_t table_at = names_at + names.size();
  header.e_shoff = table_at + table.size();
  header.e_shnum = 3;
  header.e_shentsize = sizeof(Elf64_Shdr);
  Elf64_Phdr code{};
  code.p_type = PT_LOAD;
  code.p_flags = PF_R | PF_X;
  code.p_offset = 0x1000;
  code.p_vaddr = 0x401000;
  code.p_filesz = 0x10000;
  Elf64_Shdr sections[3]{};
  sections[1].sh_type = SHT_SYMTAB;
  sections[1].sh_offset = table_at;
  sections[1].sh_size = table.size();
  sections[1].sh_link = 2;
  sections[2].sh_type = SHT_STRTAB;
  sections[2].sh_offset = names_at;
  sections[2].sh_size = names.size();
  std::string image;
  Append(image, &header, sizeof(header));
  Append(image, &code, sizeof(code));
  image += names + table;
  Append(image, sections, sizeof(sections));
  return image;
}

// "name [begin,end)" of each address, or why not.
inline std::string Names(const ByteSource& source, const std::vector<uint64_t>& addresses) {
  const auto file = ReadElf(source);
  if (!file.ok()) return Message(file.status());
  const auto ranges = FindSymbols(*file, source, addresses);
  if (!ranges.ok()) return Message(ranges.status());
  std::string text;
  for (const SymbolRange& range : *ranges) {
    text += fmt::format("{}{} [{:#x},{:#x})", text.empty() ? "" : " ",
                        range.name.empty() ? "-" : range.name, range.begin, range.end);
  }
  return text;
}

}  // namespace huatuo
