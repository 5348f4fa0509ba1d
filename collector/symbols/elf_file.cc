#include "collector/symbols/elf_file.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

#include "common/id.h"
#include "common/status.h"
#include "common/status_macros.h"

namespace huatuo {
namespace {

// Executables have about ten segments; a linker script of one's own may make more.
constexpr size_t kMaxSegments = 256;
// Files built with -ffunction-sections and not linked, which nobody maps as code, have thousands.
constexpr size_t kMaxSections = 4096;
constexpr size_t kMaxNoteBytes = 4096;

struct Wide {
  using Header = Elf64_Ehdr;
  using Segment = Elf64_Phdr;
  using Section = Elf64_Shdr;
};
struct Narrow {
  using Header = Elf32_Ehdr;
  using Segment = Elf32_Phdr;
  using Section = Elf32_Shdr;
};

template <typename T>
absl::StatusOr<std::vector<T>> ReadTable(const ByteSource& source, uint64_t offset, size_t count,
                                         size_t entry_bytes) {
  if (count > 0 && entry_bytes != sizeof(T)) return InvalidArgument("elf: a strange table");
  std::vector<T> table(count);
  if (!source.Read(offset, std::as_writable_bytes(std::span(table)))) {
    return InvalidArgument("elf: a table lies outside of the file");
  }
  return table;
}

size_t Align4(size_t bytes) { return (bytes + 3) & ~size_t{3}; }

// The GNU build id among the notes in `text`, raw.
std::string BuildIdIn(std::string_view text) {
  while (text.size() >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr note;
    std::memcpy(&note, text.data(), sizeof(note));
    text.remove_prefix(sizeof(note));
    if (note.n_namesz > text.size() || Align4(note.n_namesz) > text.size()) break;
    const std::string_view name = text.substr(0, note.n_namesz);
    text.remove_prefix(Align4(note.n_namesz));
    if (note.n_descsz > text.size()) break;
    if (note.n_type == NT_GNU_BUILD_ID && name == std::string_view("GNU\0", 4)) {
      return std::string(text.substr(0, std::min<size_t>(note.n_descsz, 64)));
    }
    text.remove_prefix(std::min(Align4(note.n_descsz), text.size()));
  }
  return "";
}

std::string ReadBuildId(const ByteSource& source, uint64_t offset, uint64_t bytes) {
  std::string text(std::min<uint64_t>(bytes, kMaxNoteBytes), '\0');
  if (!source.Read(offset, std::as_writable_bytes(std::span(text)))) return "";
  return Hex(BuildIdIn(text));
}

template <typename Section>
void AddTable(const ByteSource& source, const std::vector<Section>& sections, uint32_t type,
              ElfFile& file) {
  for (const Section& section : sections) {
    if (section.sh_type != type || section.sh_link >= sections.size()) continue;
    const Section& names = sections[section.sh_link];
    if (names.sh_type != SHT_STRTAB || !source.Has(section.sh_offset, section.sh_size) ||
        !source.Has(names.sh_offset, names.sh_size)) {
      continue;
    }
    file.tables.push_back({section.sh_offset, section.sh_size, names.sh_offset, names.sh_size});
    return;
  }
}

template <typename Class>
absl::StatusOr<ElfFile> ReadAs(const ByteSource& source) {
  typename Class::Header header;
  if (!source.ReadAs(0, header)) return InvalidArgument("elf: the header is cut");
  if (header.e_phnum > kMaxSegments) return InvalidArgument("elf: too many segments");
  ElfFile file;
  file.wide = header.e_ident[EI_CLASS] == ELFCLASS64;
  ASSIGN_OR_RETURN(const auto segments,
                   ReadTable<typename Class::Segment>(source, header.e_phoff, header.e_phnum,
                                                      header.e_phentsize));
  for (const auto& segment : segments) {
    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0) {
      file.segments.push_back({segment.p_offset, segment.p_filesz, segment.p_vaddr});
    } else if (segment.p_type == PT_NOTE && file.build_id.empty()) {
      file.build_id = ReadBuildId(source, segment.p_offset, segment.p_filesz);
    }
  }
  // Without sections an address still has a file and an offset.
  if (header.e_shnum > kMaxSections) return file;
  const auto sections = ReadTable<typename Class::Section>(source, header.e_shoff, header.e_shnum,
                                                           header.e_shentsize);
  if (!sections.ok()) return file;
  AddTable(source, *sections, SHT_SYMTAB, file);
  AddTable(source, *sections, SHT_DYNSYM, file);
  return file;
}

}  // namespace

std::optional<uint64_t> ElfFile::AddressOf(uint64_t offset) const {
  for (const Segment& segment : segments) {
    if (offset >= segment.offset && offset - segment.offset < segment.bytes) {
      return offset - segment.offset + segment.address;
    }
  }
  return std::nullopt;
}

absl::StatusOr<ElfFile> ReadElf(const ByteSource& source) {
  unsigned char identity[EI_NIDENT] = {};
  constexpr unsigned char kOrder =
      __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
  if (!source.ReadAs(0, identity) || std::memcmp(identity, ELFMAG, SELFMAG) != 0) {
    return InvalidArgument("elf: not an ELF file");
  }
  if (identity[EI_DATA] != kOrder) return InvalidArgument("elf: of another byte order");
  if (identity[EI_CLASS] == ELFCLASS64) return ReadAs<Wide>(source);
  if (identity[EI_CLASS] == ELFCLASS32) return ReadAs<Narrow>(source);
  return InvalidArgument("elf: of an unknown class");
}

}  // namespace huatuo
