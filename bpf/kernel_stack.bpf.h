/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel stack for programs at a tracepoint (raw_tp, tp_btf) that is hit often.
 *
 * The kernel's unwinder takes some 80 ns a frame, most of a program's time, and it is the same few
 * stacks that come again and again. So stacks that it has found are kept, with all places above the
 * program's arguments in which their return addresses lie: a stack that has the same addresses in
 * the same places is the same. That is exact, frame by frame from the innermost: how far behind a
 * return address the next one lies follows from the place in the code that it returns to, which is
 * all that the unwinder goes by as well. (Not so for functions with alloca(), where it has to know
 * a saved register: there, words that an equal stack has left would have to have every address in
 * its place.) What an interrupt of the kernel has hit can go on anywhere, and is not kept.
 *
 * Not looked at are the frames of the program itself, which nobody asks for, and the two on the way
 * in of a system call: random bytes lie between them, but each of their functions has one caller
 * only, for a given kind of entry. Other stacks are looked at to their end.
 *
 * Only x86 keeps stacks. Others sign return addresses, or may. See decision 0023. */
#ifndef HUATUO_BPF_KERNEL_STACK_BPF_H
#define HUATUO_BPF_KERNEL_STACK_BPF_H

#include "kernel.h"
#include "event.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* The program's and the kernel's function that called it, which has the arguments. */
#define KERNEL_STACK_OWN_FRAMES 2
#define KERNEL_STACK_SET_BITS	4
#define KERNEL_STACK_SETS	(1 << KERNEL_STACK_SET_BITS)
#define KERNEL_STACK_WAYS	4
/* Looked through for return addresses, at most, on each of the two stacks. */
#define KERNEL_STACK_LOOK_BYTES 4096
/* To find out where they lie takes up to 10 us: so often at most, per CPU. */
#define KERNEL_STACK_LEARN_NS 1000000
/* Of a task, without the instrumentation that doubles it. */
#define KERNEL_STACK_BYTES 16384
#define KERNEL_PAGE_BYTES  4096
/* Of return addresses, and of words that earlier calls have left and that are the same. */
#define KERNEL_STACK_PLACES 64
/* With a distance: it is from where the task's stack goes on, not from the arguments. */
#define KERNEL_STACK_OF_TASK 0x8000

struct stack_key {
	u64 key;   /* 0: none */
	u64 entry; /* how the task has come into the kernel */
	u64 base;  /* its outermost return address */
};

struct known_stack {
	struct stack_key key;
	struct event_stack stack;
	u64 link;   /* distance of the word that tells where the task's stack goes on; 0: none */
	u64 end;    /* distance of the outermost return address; 0: random bytes are before it */
	u64 places; /* from here on outwards */
	u16 distance[KERNEL_STACK_PLACES]; /* in bytes */
	u8 frame[KERNEL_STACK_PLACES];	   /* of the stack, whose address lies there */
};

/* Those with keys of one hash. */
struct known_stacks {
	struct known_stack way[KERNEL_STACK_WAYS];
};

/* What the search for the places of return addresses works with: in memory, where the verifier does
 * not follow it. */
struct stack_search {
	struct stack_key key;
	struct event_stack stack;
	u64 task;      /* address of the lowest byte of its stack */
	u64 outermost; /* where the outermost return address is */
	u64 next_ns;   /* not before */
	u64 changes;   /* of what is kept */
	u64 compared;  /* frames before this one are looked for */
	u64 frame;     /* the next one outwards */
	u64 link;
	u64 end;     /* of the task's stack; ~0 on another one */
	u64 way;     /* to be replaced */
	u32 set;     /* that it is in */
	u8 busy;     /* an interrupt must leave it alone */
	u8 complete; /* looked through to the end of the stack */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KERNEL_STACK_SETS);
	__type(key, u32);
	__type(value, struct known_stacks);
} known_stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct stack_search);
} stack_searches SEC(".maps");

#if defined(__TARGET_ARCH_x86)

static __always_inline bool stack_word(u64 address, u64 *word)
{
	return bpf_probe_read_kernel(word, sizeof(*word), (const void *)address) == 0;
}

static __always_inline u32 stack_set(u64 key, u64 entry)
{
	return (key ^ entry) * 0x9e3779b97f4a7c15ULL >> (64 - KERNEL_STACK_SET_BITS);
}

static __always_inline struct known_stacks *stacks_like(u64 key, u64 entry)
{
	u32 index = stack_set(key, entry);

	return bpf_map_lookup_elem(&known_stacks, &index);
}

/* Not on the stack: there is little room for the frames of these functions. */
static const volatile u32 only_search = 0;

static __always_inline struct stack_search *stack_searcher(void)
{
	return bpf_map_lookup_elem(&stack_searches, (const void *)&only_search);
}

static __always_inline struct known_stack *stack_at(struct known_stacks *set, u64 way)
{
	asm volatile("%0 &= 3" : "+r"(way));
	return set ? &set->way[way] : NULL;
}

static __always_inline u64 stack_place_at(u64 distance, u64 arguments, u64 task)
{
	if (distance & KERNEL_STACK_OF_TASK)
		return task + (distance & ~KERNEL_STACK_OF_TASK);
	return arguments + distance;
}

/* Whether its addresses lie in its places. The outermost ones first: these are what stacks with the
 * same key differ in. */
static __always_inline bool stack_is(const struct known_stack *known, u64 arguments, u64 outermost)
{
	u64 task = 0, word = 0;

	if (!stack_word(outermost, &word) || known->key.base != word ||
	    (known->link && !stack_word(arguments + known->link, &task)) ||
	    (known->end && stack_place_at(known->end, arguments, task) != outermost))
		return false;
	for (u64 n = 1; n <= KERNEL_STACK_PLACES; n++) {
		u64 place = known->places - n;
		u64 frame;

		/* Checked and used in one register: older verifiers lose the bound in a copy. */
		asm volatile("" : "+r"(place));
		if (place >= KERNEL_STACK_PLACES)
			break;
		frame = known->frame[place];
		asm volatile("%0 &= 31" : "+r"(frame));
		if (!stack_word(stack_place_at(known->distance[place], arguments, task), &word) ||
		    word != known->stack.frame[frame])
			return false;
	}
	return true;
}

/* The way that has it; negative: none. Global, as others here: verified once, and not for each of
 * the ways on which a program comes. */
__noinline int kernel_stack_recall(u64 arguments, u64 key, u64 entry, u64 outermost)
{
	struct known_stacks *set = stacks_like(key, entry);

	for (u64 way = 0; set && way < KERNEL_STACK_WAYS; way++) {
		struct known_stack *known = &set->way[way];

		if (known->key.key == key && known->key.entry == entry &&
		    stack_is(known, arguments, outermost))
			return way;
	}
	return -1;
}

static __always_inline struct known_stack *stack_replaced(const struct stack_search *search)
{
	return stack_at(bpf_map_lookup_elem(&known_stacks, &search->set), search->way);
}

/* The frame that the stack of the search returns to with this word; none: 0. */
static __always_inline u64 stack_frame(const struct stack_search *search, u64 word)
{
	for (u64 i = KERNEL_STACK_OWN_FRAMES; i < EVENT_STACK_FRAMES; i++) {
		if (word == search->stack.frame[i])
			return i;
	}
	return 0;
}

static __always_inline void stack_place(struct stack_search *search, struct known_stack *known,
					u64 distance, u64 frame)
{
	u64 place = known->places++;

	if (frame == search->frame)
		search->frame++;
	asm volatile("" : "+r"(place));
	if (place >= KERNEL_STACK_PLACES)
		return;
	known->distance[place] = distance;
	known->frame[place] = frame;
}

/* The last word of a CPU's stack for interrupts tells where that of the task goes on. */
static __always_inline bool stack_links(const struct stack_search *search, u64 at)
{
	return search->end == ~0ULL &&
	       (at & (KERNEL_PAGE_BYTES - 1)) == KERNEL_PAGE_BYTES - sizeof(u64);
}

/* Whether this is not a return address, but where an interrupt has hit the kernel: its segment, the
 * flags and the address of the stack follow, which goes on behind these. */
static __always_inline bool stack_interrupted(u64 at, u64 *word)
{
	/* The end of the stack, or no flags: the lowest but one is always set. */
	if (!stack_word(at + 2 * sizeof(u64), word) || *word >> 32 || !(*word & 2))
		return false;
	/* The processor aligns the address to 16 or 64. */
	return stack_word(at + 3 * sizeof(u64), word) && *word - (at + 5 * sizeof(u64)) < 128;
}

/* The word at this address, whose distance, as in `known_stack`, is known as well; whether it was
 * the last one. */
__noinline int kernel_stack_look(u64 at, u64 distance)
{
	struct stack_search *search = stack_searcher();
	struct known_stack *known = search ? stack_replaced(search) : NULL;
	u64 word, frame;

	if (!known)
		return 1;
	if (at >= search->end) {
		search->complete = 1;
		return 1;
	}
	if (!stack_word(at, &word))
		return 1;
	/* Kernel addresses only. */
	if ((s64)word >= 0)
		return 0;
	if (word - search->task < KERNEL_STACK_BYTES && stack_links(search, at)) {
		search->link = distance;
		return 1;
	}
	frame = stack_frame(search, word);
	if (!frame)
		return 0;
	if (stack_interrupted(at, &word))
		return 1;
	if (frame >= search->compared)
		return 0;
	if (at == search->outermost)
		known->end = distance;
	stack_place(search, known, distance, frame);
	return 0;
}

static __always_inline void stack_look_through(struct stack_search *search, u64 from, u64 which)
{
	search->end = ~0ULL;
	if (from - search->task < KERNEL_STACK_BYTES)
		search->end = search->task + KERNEL_STACK_BYTES;
	for (u64 distance = 0; distance < KERNEL_STACK_LOOK_BYTES; distance += sizeof(u64)) {
		if (kernel_stack_look(from + distance, which | distance))
			break;
	}
}

/* Random bytes lie in front of the last but one. */
static __always_inline bool stack_of_system_call(u64 entry)
{
	return (entry & 3) == 3 && (s64)entry >= 0;
}

/* Of the frames, those whose return addresses are looked for: all but the two on the way in of a
 * system call. 0: it does not end where it should, as when an interrupt has hit that way. */
static __always_inline u64 stack_compared(const struct stack_search *search, u64 frames)
{
	u64 last = frames - 1;

	/* It has been cut off. */
	if (frames >= EVENT_STACK_FRAMES)
		return EVENT_STACK_FRAMES;
	asm volatile("%0 &= 31" : "+r"(last));
	if (frames <= KERNEL_STACK_OWN_FRAMES + 2 || search->stack.frame[last] != search->key.base)
		return 0;
	return stack_of_system_call(search->key.entry) ? frames - 2 : frames;
}

/* Keeps the stack of the search, if all of it was found. What earlier calls have left may look like
 * a return address, and nothing tells it from one: such words belong to the places. */
__noinline int kernel_stack_learn(u64 arguments, u64 frames)
{
	struct stack_search *search = stack_searcher();
	struct known_stack *known;
	u64 task;

	if (!search)
		return 0;
	search->way++;
	known = stack_replaced(search);
	if (!known)
		return 0;
	known->key.key = 0;
	known->places = 0;
	known->end = 0;
	stack_word(search->outermost, &search->key.base);
	search->compared = stack_compared(search, frames);
	if (!search->compared)
		return 0;
	search->frame = KERNEL_STACK_OWN_FRAMES;
	search->link = 0;
	search->complete = 0;
	stack_look_through(search, arguments, 0);
	if (search->link && stack_word(arguments + search->link, &task))
		stack_look_through(search, task, KERNEL_STACK_OF_TASK);
	if (!search->complete || search->frame < search->compared ||
	    known->places > KERNEL_STACK_PLACES ||
	    (frames < EVENT_STACK_FRAMES && search->compared == frames && !known->end))
		return 0;
	known->stack = search->stack;
	known->link = search->link;
	known->key.entry = search->key.entry;
	known->key.base = search->key.base;
	asm volatile("" ::: "memory");
	known->key.key = search->key.key;
	return 0;
}

/* Where the current task's registers of user space are: directly behind its outermost return
 * address. */
__noinline u64 kernel_stack_registers(u64 task_stack)
{
	void *volatile pointer;
	u64 at = 0;

	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return task_stack + KERNEL_STACK_BYTES - sizeof(struct pt_regs);
	/* Since 5.15; since 6.9 they need not be at the very end. As a number. */
	pointer = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	bpf_probe_read_kernel(&at, sizeof(at), (const void *)&pointer);
	return at;
}

/* The number of the system call, or a negative number, and in the lowest 16 bits the code segment;
 * 0 in a kernel thread. */
__noinline u64 kernel_stack_entry(u64 registers)
{
	struct {
		u64 orig_ax, ip, cs;
	} found = {};
	u64 at = registers + __builtin_offsetof(struct pt_regs, orig_ax);

	bpf_probe_read_kernel(&found, sizeof(found), (const void *)at);
	return found.orig_ax << 16 | (found.cs & 0xffff);
}

static __always_inline bool stack_known(struct stack_search *search, u64 arguments, u64 key,
					u64 entry, u64 outermost, struct event_stack *stack)
{
	u64 changes = *(volatile u64 *)&search->changes;
	int way = kernel_stack_recall(arguments, key, entry, outermost);
	struct known_stack *known = stack_at(stacks_like(key, entry), way);

	if (way < 0 || !known)
		return false;
	*stack = known->stack;
	/* An interrupt may have put another one there meanwhile. */
	return *(volatile u64 *)&search->changes == changes;
}

/* Fills `stack`, from the program on outwards; true: with one that was known. `ctx`: the program's.
 * `key`: what tells stacks apart as far as it is known without looking, not 0. `now`: of any clock.
 */
static __always_inline bool kernel_stack(void *ctx, u64 key, u64 now, struct event_stack *stack)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u64 task_stack = (u64)BPF_CORE_READ(task, stack);
	struct stack_search *search = stack_searcher();
	u64 registers = kernel_stack_registers(task_stack);
	u64 entry = kernel_stack_entry(registers);
	u64 outermost = registers - sizeof(u64);
	/* The verifier calculates with no pointer to the context, but with what was read. */
	void *volatile pointer = ctx;
	u64 arguments = 0;
	long bytes;

	bpf_probe_read_kernel(&arguments, sizeof(arguments), (const void *)&pointer);
	if (search && stack_known(search, arguments, key, entry, outermost, stack))
		return true;
	bytes = bpf_get_stack(ctx, stack, sizeof(*stack), 0);
	if (!search || bytes <= 0 || search->busy || now < search->next_ns)
		return false;
	search->busy = 1;
	search->changes++;
	search->next_ns = now + KERNEL_STACK_LEARN_NS;
	search->key.key = key;
	search->key.entry = entry;
	search->set = stack_set(key, entry);
	search->stack = *stack;
	search->task = task_stack;
	search->outermost = outermost;
	kernel_stack_learn(arguments, (u64)bytes / sizeof(u64));
	search->busy = 0;
	return false;
}

#else

static __always_inline bool kernel_stack(void *ctx, u64 key, u64 now, struct event_stack *stack)
{
	bpf_get_stack(ctx, stack, sizeof(*stack), 0);
	return false;
}

#endif

#endif
