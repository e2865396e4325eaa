// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU park: secondary CPUs are not halted for the jump, but wait in memory of
 * neither kernel (uapi/park.h) until the next kernel wakes them through the
 * mailbox that the ACPI specification has for it. The boot CPU calls
 * park_others() as the last thing but the jump, with interrupts off; each other
 * CPU then runs park_cpu() in an interrupt and never comes back.
 */
#include "nvwa.h"

#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/ioport.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <asm/apicdef.h>
#include <asm/cpufeature.h>
#include <asm/desc_defs.h>
#include <asm/irq_vectors.h>
#include <asm/msr.h>
#include <asm/pgtable.h>
#include <asm/smp.h>
#include <asm/trapnr.h>
#include "park.h"

/* park-code.S */
extern const char nvwa_park_code[], nvwa_park_code_end[];
/* Offsets in the code of what it is told, of what it tells, and of its handlers. */
extern const struct park_at {
	u32 cr3, arrived, halt, mailbox, stacks, gdt, gdt_base, idt_base;
	u32 interrupt, nmi, machine_check, stop;
} nvwa_park_at;
asmlinkage void nvwa_park_switch(unsigned long cr3, unsigned long code) __noreturn;

/* How long to wait for CPUs to come, in us. What they do with interrupts off is short. */
#define PARK_WAIT	USEC_PER_SEC

#define PARK_SELECTOR	0x08	/* of the code's own GDT */

/* ACPI_MADT_TYPE_RESERVED (include/acpi/actbl2.h): the first type of those to be skipped. */
#define MADT_RESERVED	0x80
#define MADT_CHECKSUM	9	/* offset in any table */

static struct {
	bool armed;
	u64 base;
	char *area;		/* its mapping */
	void *tables;
	u32 tables_len, madt, wakeup;
	void __iomem *apic;	/* NULL: x2APIC mode */
	u32 nr_tables;		/* page tables used; the first is the root */
	void (*stop_other_cpus)(int wait);
	struct cpumask came;
} park;

static DEFINE_PER_CPU(call_single_data_t, park_call);

/* --- page tables ----------------------------------------------------------- */

static u64 *park_table(u64 *entry)
{
	u64 at = PARK_PAGE_TABLES + PAGE_SIZE * (u64)park.nr_tables;

	if (!*entry) {
		if (at >= PARK_STACKS)
			return NULL;
		park.nr_tables++;
		*entry = (park.base + at) | _PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED;
	}
	return (u64 *)(park.area + (*entry & PAGE_MASK) - park.base);
}

/* Map a page, or 2 MiB, where the kernel that runs has as many levels as its CPUs. */
static bool park_map(u64 virt, u64 phys, bool huge, u64 flags)
{
	u64 root = (park.base + PARK_PAGE_TABLES) | _PAGE_PRESENT;
	int shift = __read_cr4() & X86_CR4_LA57 ? 48 : 39;
	int last = huge ? PMD_SHIFT : PAGE_SHIFT;
	u64 *entry = &root;

	for (;; shift -= 9) {
		u64 *table = park_table(entry);

		if (!table)
			return false;
		entry = &table[(virt >> shift) & (PTRS_PER_PTE - 1)];
		if (shift == last)
			break;
	}
	*entry = phys | flags | _PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY |
		 (huge ? _PAGE_PSE : 0);
	return true;
}

/*
 * All RAM below 1 GiB, for the area and for what a kernel has of it below 1
 * MiB; the local APIC; and the old kernel's last instructions, where they are.
 */
static bool park_map_all(void)
{
	unsigned long code = (unsigned long)nvwa_park_switch;
	u64 at;

	park.nr_tables = 1;
	for (at = 0; at < PUD_SIZE; at += PMD_SIZE) {
		if (!park_map(at, at, true, 0))
			return false;
	}
	at = APIC_DEFAULT_PHYS_BASE & PMD_MASK;
	return park_map(at, at, true, _PAGE_PCD | _PAGE_PWT) &&
	       park_map(code & PAGE_MASK, page_to_phys(vmalloc_to_page((void *)code)), false, 0);
}

/* --- the area -------------------------------------------------------------- */

static void put32(u32 at, u32 value)
{
	*(u32 *)(park.area + at) = value;
}

static void put64(u32 at, u64 value)
{
	memcpy(park.area + at, &value, sizeof(value));
}

static void park_gates(void)
{
	const struct park_at *o = &nvwa_park_at;
	gate_desc *gates = (void *)(park.area + PARK_IDT);
	unsigned int i;

	for (i = 0; i < PARK_IDT_BYTES / sizeof(*gates); i++) {
		u64 to = park.base + (i >= FIRST_EXTERNAL_VECTOR ? o->interrupt :
				      i == X86_TRAP_NMI ? o->nmi :
				      i == X86_TRAP_MC ? o->machine_check : o->stop);

		gates[i] = (gate_desc){
			.offset_low = to,
			.offset_middle = to >> 16,
			.segment = PARK_SELECTOR,
			.bits = { .type = GATE_INTERRUPT, .p = 1 },
		};
	}
}

/*
 * MWAIT ends at once when the mailbox is written, but a guest has it seldom, and
 * may not keep its host's CPU busy: there HLT is used, and a timer.
 */
static bool park_halts(void)
{
	return boot_cpu_has(X86_FEATURE_HYPERVISOR) || !boot_cpu_has(X86_FEATURE_MWAIT);
}

/* All but the tables, which are there already. */
static bool park_fill(void)
{
	const struct park_at *o = &nvwa_park_at;

	memset(park.area, 0, NVWA_PARK_TABLES);
	memcpy(park.area, nvwa_park_code, nvwa_park_code_end - nvwa_park_code);
	if (!park_map_all())
		return false;
	put64(o->cr3, park.base + PARK_PAGE_TABLES);
	put32(o->halt, park_halts());
	put32(o->mailbox, park.base + NVWA_PARK_MAILBOX);
	put32(o->stacks, park.base + PARK_STACKS);
	put64(o->gdt_base, park.base + o->gdt);
	put64(o->idt_base, park.base + PARK_IDT);
	park_gates();
	return true;
}

/*
 * With the wakeup structure, or with one in its place that kernels skip, so that
 * they start their CPUs as they do without us.
 */
static void park_put_tables(bool wakeup)
{
	u8 *to = (u8 *)park.area + NVWA_PARK_TABLES;

	memcpy(to, park.tables, park.tables_len);
	if (!wakeup) {
		to[park.madt + MADT_CHECKSUM] += to[park.wakeup] - MADT_RESERVED;
		to[park.wakeup] = MADT_RESERVED;
	}
}

/* --- the jump -------------------------------------------------------------- */

static u32 apic_read_at(u32 reg)
{
	u64 value;

	if (park.apic)
		return readl(park.apic + reg);
	rdmsrq(APIC_BASE_MSR + (reg >> 4), value);
	return value;
}

static void apic_write_at(u32 reg, u32 value)
{
	if (park.apic)
		writel(value, park.apic + reg);
	else
		wrmsrq(APIC_BASE_MSR + (reg >> 4), value);
}

/* No interrupt but by INIT, NMI and SMI, as the kernel has it for a CPU that it takes offline. */
static void park_apic(void)
{
	static const struct {
		u16 reg;
		u8 since;	/* the version register's number of entries, less 1 */
	} lvts[] = {
		{ APIC_LVTT, 0 }, { APIC_LVT0, 0 }, { APIC_LVT1, 0 }, { APIC_LVTERR, 0 },
		{ APIC_LVTPC, 4 }, { APIC_LVTTHMR, 5 }, { APIC_LVTCMCI, 6 },
	};
	u32 most = GET_APIC_MAXLVT(apic_read_at(APIC_LVR));
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lvts); i++) {
		if (most >= lvts[i].since)
			apic_write_at(lvts[i].reg, apic_read_at(lvts[i].reg) | APIC_LVT_MASKED);
	}
	apic_write_at(APIC_SPIV, apic_read_at(APIC_SPIV) & ~APIC_SPIV_APIC_ENABLED);
}

static void park_cpu(void *unused)
{
	park_apic();
	cpumask_set_cpu(smp_processor_id(), &park.came);
	nvwa_park_switch(park.base + PARK_PAGE_TABLES, park.base + NVWA_PARK_RESET);
}

/* Call all other CPUs, and wait until they are there; those that came are not online. */
static bool park_all(void)
{
	u32 *arrived = (u32 *)(park.area + nvwa_park_at.arrived);
	unsigned int cpu, nr = 0, us;

	for_each_online_cpu(cpu) {
		if (cpu == smp_processor_id())
			continue;
		INIT_CSD(per_cpu_ptr(&park_call, cpu), park_cpu, NULL);
		if (!smp_call_function_single_async(cpu, per_cpu_ptr(&park_call, cpu)))
			nr++;
	}
	for (us = 0; us < PARK_WAIT && READ_ONCE(*arrived) < nr; us++)
		udelay(1);
	/* Nobody waits for them any more. */
	cpumask_andnot(&__cpu_online_mask, cpu_online_mask, &park.came);
	return cpumask_weight(cpu_online_mask) == 1;
}

static void park_others(int wait)
{
	bool kexec = nvwa_state == NVWA_STATE_SEALED && system_state == SYSTEM_RESTART;

	if (kexec)
		nvwa_late->devices_tsc = rdtsc_ordered();
	/*
	 * Not for the panic of a kernel, nor for any other way to reboot. A CPU that
	 * was taken offline meanwhile may be in the area, whose kernel was woken there.
	 */
	if (kexec && cpumask_equal(cpu_online_mask, cpu_present_mask) && park_fill() &&
	    park_all()) {
		park_put_tables(true);
		nvwa_late->parked_tsc = rdtsc_ordered();
	}
	/* What it does for this CPU is needed as well. */
	park.stop_other_cpus(wait);
}

/* --- arming ---------------------------------------------------------------- */

/*
 * The kernel's own code for starting CPUs lies below 1 MiB as well. The last entry of
 * its page table is that of the kernel's (setup_real_mode() in arch/x86/realmode/init.c).
 */
static bool is_trampoline(const u64 *page)
{
	const u64 *root = __va(__read_cr3() & CR3_ADDR_MASK);

	return page[PTRS_PER_PGD - 1] && !((page[PTRS_PER_PGD - 1] ^ root[PTRS_PER_PGD - 1]) &
					   PTE_PFN_MASK);
}

/* The area must be RAM that was never given to the allocator, or of type NVS: one used before. */
static bool park_is_free(u64 base)
{
	u64 at;

	if (!PAGE_ALIGNED(base) || !base || base > NVWA_PARK_END - NVWA_PARK_LEN)
		return false;
	if (region_intersects(base, NVWA_PARK_LEN, IORESOURCE_MEM,
			      IORES_DESC_ACPI_NV_STORAGE) == REGION_INTERSECTS)
		return true;
	for (at = base; at < base + NVWA_PARK_LEN; at += PAGE_SIZE) {
		if (!page_is_ram(PHYS_PFN(at)) || !PageReserved(pfn_to_page(PHYS_PFN(at))))
			return false;
	}
	return true;
}

static int park_check(const struct nvwa_park *arg)
{
	u32 room = NVWA_PARK_LEN - NVWA_PARK_TABLES;
	u64 apic;

	if (arg->flags || !park_is_free(arg->base) || !arg->tables_len || arg->tables_len > room ||
	    arg->wakeup >= arg->tables_len || arg->madt >= arg->tables_len - MADT_CHECKSUM)
		return -EINVAL;
	rdmsrq(MSR_IA32_APICBASE, apic);
	if ((apic & PAGE_MASK & (BIT_ULL(36) - 1)) != APIC_DEFAULT_PHYS_BASE)
		return -EOPNOTSUPP;
	if (!cpumask_equal(cpu_online_mask, cpu_present_mask))
		return -EBUSY;
	return num_online_cpus() > NVWA_PARK_CPUS ? -E2BIG : 0;
}

void park_disarm(void)
{
	if (park.armed)
		smp_ops.stop_other_cpus = park.stop_other_cpus;
	if (park.apic)
		iounmap(park.apic);
	if (park.area)
		memunmap(park.area);
	kfree(park.tables);
	memset(&park, 0, sizeof(park));
}

int park_arm(struct nvwa_park *arg)
{
	int err = park.armed ? -EBUSY : park_check(arg);
	u64 apic, at;

	if (err)
		return err;
	park.base = arg->base;
	park.madt = arg->madt;
	park.wakeup = arg->wakeup;
	park.tables_len = arg->tables_len;
	park.tables = memdup_user(u64_to_user_ptr(arg->tables), arg->tables_len);
	if (IS_ERR(park.tables)) {
		err = PTR_ERR(park.tables);
		park.tables = NULL;
		return err;
	}
	park.area = memremap(arg->base, NVWA_PARK_LEN, MEMREMAP_WB);
	rdmsrq(MSR_IA32_APICBASE, apic);
	if (!(apic & X2APIC_ENABLE))
		park.apic = ioremap(APIC_DEFAULT_PHYS_BASE, PAGE_SIZE);
	if (!park.area || (!(apic & X2APIC_ENABLE) && !park.apic)) {
		park_disarm();
		return -ENOMEM;
	}
	for (at = 0; at < NVWA_PARK_LEN; at += PAGE_SIZE) {
		if (is_trampoline((u64 *)(park.area + at))) {
			park_disarm();
			return -EINVAL;
		}
	}
	/* Whatever becomes of the update, a kernel that is sent here finds tables. */
	park_put_tables(false);
	park.stop_other_cpus = smp_ops.stop_other_cpus;
	smp_ops.stop_other_cpus = park_others;
	park.armed = true;
	arg->nr_cpus = num_online_cpus() - 1;
	return 0;
}
