/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What parked CPUs run: code that belongs to neither kernel. It is copied to
 * the start of the park area and waits there for the command of the ACPI
 * specification's mailbox (6.4, section 5.2.12.19, Multiprocessor Wakeup
 * Structure). A CPU comes in at the first byte, in 64-bit mode with interrupts
 * off and this page mapped where it lies physically: from the module of the old
 * kernel, or, as this is also the reset vector of that structure, from a
 * newer kernel that takes the CPU offline. It may use no memory outside of the area.
 */
#include <linux/linkage.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/processor-flags.h>
#include "park.h"

/* Registers of the local APIC: offsets in its page (Intel SDM volume 3A, table 11-1). */
#define APIC_TASKPRI	0x80
#define APIC_EOI	0xb0
#define APIC_SPIV	0xf0
#define APIC_LVTT	0x320
#define APIC_TMICT	0x380
#define APIC_TDCR	0x3e0

#define SPIV_ENABLED	0x1ff	/* and the spurious vector 0xff */
#define SPIV_DISABLED	0x0ff
#define LVT_MASKED	0x10000
#define LVT_PERIODIC	0x20000
#define TIMER_VECTOR	0xf0
#define DIVIDE_BY_128	0xa
#define X2APIC_ENABLED	0x400	/* in MSR_IA32_APICBASE */
#define X2APIC_MSR	0x800	/* that of the register at offset 0 */

/* Ticks of a bus of 1 GHz, as hypervisors have it: 2 ms. A slower bus makes it longer. */
#define TIMER_TICKS	(2000000 / 128)

#define SELECTOR_CODE	0x08
#define SELECTOR_DATA	0x10

	/* Not .text: nobody executes it here, and nothing is to be patched into it. */
	.section .rodata
	.balign 64
SYM_DATA_START(nvwa_park_code)
	/* endbr64: a kernel with indirect branch tracking jumps here. */
	.byte	0xf3, 0x0f, 0x1e, 0xfa
	cli
	cld
	/* Five-level paging cannot be left in this mode; all else is for kernels. */
	movq	%cr4, %rax
	andl	$X86_CR4_LA57, %eax
	orl	$(X86_CR4_PAE | X86_CR4_MCE), %eax
	movq	%rax, %cr4
	movq	.Lcr3(%rip), %rax
	movq	%rax, %cr3
	lgdt	.Lgdt_pointer(%rip)
	lidt	.Lidt_pointer(%rip)
	movl	$SELECTOR_DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs

	/* A stack of its own, as long as it is here. */
	xorl	%ecx, %ecx
.Lslot:	lock btsl %ecx, .Lslots(%rip)
	jnc	.Lgot_slot
	incl	%ecx
	cmpl	$NVWA_PARK_CPUS, %ecx
	jb	.Lslot
.Lstop:	cli
	hlt
	jmp	.Lstop
.Lgot_slot:
	movl	%ecx, %r12d
	leal	1(%rcx), %esp
	shll	$PARK_STACK_SHIFT, %esp
	addl	.Lstacks(%rip), %esp
	leaq	.Lcode_segment(%rip), %rax
	pushq	$SELECTOR_CODE
	pushq	%rax
	lretq
.Lcode_segment:

	/* Who am I: CPUID leaf 0xb if there is one, else leaf 1. */
	xorl	%eax, %eax
	cpuid
	cmpl	$0xb, %eax
	jb	.Lid_short
	movl	$0xb, %eax
	xorl	%ecx, %ecx
	cpuid
	testl	%ebx, %ebx
	jz	.Lid_short
	movl	%edx, %r13d
	jmp	.Lhave_id
.Lid_short:
	movl	$1, %eax
	cpuid
	shrl	$24, %ebx
	movl	%ebx, %r13d
.Lhave_id:
	movl	.Lmailbox(%rip), %r14d
	lock incl .Larrived(%rip)
	cmpl	$0, .Lhalt(%rip)
	je	.Lwait
	movl	$APIC_SPIV, %ecx
	movl	$SPIV_ENABLED, %eax
	call	.Lapic_write
	movl	$APIC_TASKPRI, %ecx
	xorl	%eax, %eax
	call	.Lapic_write
	movl	$APIC_TDCR, %ecx
	movl	$DIVIDE_BY_128, %eax
	call	.Lapic_write
	movl	$APIC_LVTT, %ecx
	movl	$(LVT_PERIODIC | TIMER_VECTOR), %eax
	call	.Lapic_write
	movl	$APIC_TMICT, %ecx
	movl	$TIMER_TICKS, %eax
	call	.Lapic_write

	/* R12: slot, R13: APIC id, R14: mailbox. */
.Lwait:
	cmpl	%r13d, PARK_MAILBOX_ID(%r14)
	jne	.Lidle
	movzwl	PARK_MAILBOX_COMMAND(%r14), %eax
	cmpl	$PARK_COMMAND_WAKEUP, %eax
	je	.Lwake
	cmpl	$PARK_COMMAND_TEST, %eax
	jne	.Lidle
	/* A kernel asks whether we are here. */
	movw	$0, PARK_MAILBOX_COMMAND(%r14)
.Lidle:
	cmpl	$0, .Lhalt(%rip)
	jne	.Lidle_halt
	movq	%r14, %rax
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	monitor
	/* What was written before the monitor was armed does not end the wait. */
	cmpl	%r13d, PARK_MAILBOX_ID(%r14)
	jne	.Lmwait
	cmpw	$0, PARK_MAILBOX_COMMAND(%r14)
	jne	.Lwait
.Lmwait:
	xorl	%eax, %eax
	xorl	%ecx, %ecx
	mwait
	jmp	.Lwait
.Lidle_halt:
	sti
	hlt
	cli
	jmp	.Lwait

.Lwake:
	movq	PARK_MAILBOX_VECTOR(%r14), %rbx
	cmpl	$0, .Lhalt(%rip)
	je	.Lquiet
	movl	$APIC_TMICT, %ecx
	xorl	%eax, %eax
	call	.Lapic_write
	movl	$APIC_LVTT, %ecx
	movl	$LVT_MASKED, %eax
	call	.Lapic_write
	movl	$APIC_SPIV, %ecx
	movl	$SPIV_DISABLED, %eax
	call	.Lapic_write
.Lquiet:
	lock btrl %r12d, .Lslots(%rip)
	/* From here on the area is the next CPU's. */
	movw	$0, PARK_MAILBOX_COMMAND(%r14)
	jmp	*%rbx

/* ECX: register, EAX: value. */
.Lapic_write:
	movl	%eax, %r8d
	movl	%ecx, %r9d
	movl	$MSR_IA32_APICBASE, %ecx
	rdmsr
	testl	$X2APIC_ENABLED, %eax
	jnz	.Lx2apic
	andl	$0xfffff000, %eax
	movl	%r8d, (%rax, %r9)
	ret
.Lx2apic:
	movl	%r9d, %ecx
	shrl	$4, %ecx
	addl	$X2APIC_MSR, %ecx
	movl	%r8d, %eax
	xorl	%edx, %edx
	wrmsr
	ret

.Linterrupt:
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%r8
	pushq	%r9
	movl	$APIC_EOI, %ecx
	xorl	%eax, %eax
	call	.Lapic_write
	popq	%r9
	popq	%r8
	popq	%rdx
	popq	%rcx
	popq	%rax
	iretq

/* Without a handler a machine check, which all CPUs get, would end the machine. */
.Lmachine_check:
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	movl	$MSR_IA32_MCG_STATUS, %ecx
	xorl	%eax, %eax
	xorl	%edx, %edx
	wrmsr
	popq	%rdx
	popq	%rcx
	popq	%rax
.Lnmi:	iretq

	.balign 8
.Lgdt:	.quad	0
	.quad	0x00af9b000000ffff	/* code, 64 bits */
	.quad	0x00cf93000000ffff	/* data */
.Lgdt_end:

/* What kmod/park.c fills in, and reads. */
	.balign 8
.Lcr3:	.quad	0
.Lslots:
	.fill	NVWA_PARK_CPUS / 8, 1, 0
.Larrived:
	.long	0
.Lhalt:	.long	0
.Lmailbox:
	.long	0
.Lstacks:
	.long	0
.Lgdt_pointer:
	.word	.Lgdt_end - .Lgdt - 1
	.quad	0
	.balign 2
.Lidt_pointer:
	.word	PARK_IDT_BYTES - 1
	.quad	0
SYM_DATA_END_LABEL(nvwa_park_code, SYM_L_GLOBAL, nvwa_park_code_end)

/* struct park_at of kmod/park.c: where these are, from the first byte on. */

	.balign 4
SYM_DATA_START(nvwa_park_at)
	.long	.Lcr3 - nvwa_park_code
	.long	.Larrived - nvwa_park_code
	.long	.Lhalt - nvwa_park_code
	.long	.Lmailbox - nvwa_park_code
	.long	.Lstacks - nvwa_park_code
	.long	.Lgdt - nvwa_park_code
	.long	.Lgdt_pointer + 2 - nvwa_park_code
	.long	.Lidt_pointer + 2 - nvwa_park_code
	.long	.Linterrupt - nvwa_park_code
	.long	.Lnmi - nvwa_park_code
	.long	.Lmachine_check - nvwa_park_code
	.long	.Lstop - nvwa_park_code
SYM_DATA_END(nvwa_park_at)

/*
 * The last instructions of the old kernel on this CPU: void nvwa_park_switch(
 * unsigned long cr3, unsigned long code). Mapped at the same address by both.
 */
	.text
	.balign 64
SYM_FUNC_START(nvwa_park_switch)
	ENDBR
	/* Global entries outlive a change of CR3. */
	movq	%cr4, %rax
	andq	$~X86_CR4_PGE, %rax
	movq	%rax, %cr4
	movq	%rdi, %cr3
	ANNOTATE_RETPOLINE_SAFE
	jmp	*%rsi
SYM_FUNC_END(nvwa_park_switch)
