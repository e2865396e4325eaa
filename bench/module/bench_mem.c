// SPDX-License-Identifier: GPL-2.0-only
/*
 * What of a measurement only the kernel can see: how long a bare walk over
 * struct pages takes, when the number of pages is written to "walk"; and, at
 * every tick, also while all of user space stands still, with memory=1 how much
 * memory is in use and with disk=1 how long the CPU had nothing to do but wait
 * for the disk. What was seen at ticks it says in the kernel log at a jump, or
 * when "report" is written. Stays loaded: the guest is thrown away afterwards.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel_stat.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/reboot.h>
#include <linux/tick.h>	/* get_cpu_iowait_time_us() of older kernels */
#include <linux/timer.h>
#include <linux/vmstat.h>
#include <asm/tsc.h>

/*
 * What is there to be had: free, or given back without loss. MemAvailable would
 * take off what the kernel keeps for itself, which grows as memory is added.
 *
 * A sample is kept when something has changed by this much; older ones go first.
 */
#define STEP_KB		512L
#define NR_SAMPLES	8192U
#define NR_WAITS	1024U
/* Pages per look whether there is memory at all. */
#define GROUP		512UL

struct sample {
	u64 tsc;
	/* kB; added is what came online since this module was loaded. */
	long total, added, available, slab, shmem, anon, tables;
};

/* Ticks in a row in each of which the CPU waited for the disk, so long in all. */
struct wait {
	u64 from, to;
	u64 us;
};

static struct sample samples[NR_SAMPLES];
static struct wait waits[NR_WAITS];
static unsigned int nr_samples, nr_waits;
static unsigned long added;	/* pages; changed under the memory hotplug lock */
static struct timer_list ticker;
static bool memory, disk;

static long kb(unsigned long pages)
{
	return pages << (PAGE_SHIFT - 10);
}

static unsigned long to_be_had(void)
{
	long cache = global_node_page_state(NR_FILE_PAGES) - global_node_page_state(NR_SHMEM);

	return global_zone_page_state(NR_FREE_PAGES) + max(cache, 0L) +
	       global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B);
}

static bool differs(const struct sample *a, const struct sample *b)
{
	return abs(a->total - b->total) >= STEP_KB || a->added != b->added ||
	       abs(a->available - b->available) >= STEP_KB || abs(a->slab - b->slab) >= STEP_KB;
}

static void note_memory(u64 tsc)
{
	struct sample now = {
		.tsc = tsc,
		.total = kb(totalram_pages()),
		.added = kb(READ_ONCE(added)),
		.available = kb(to_be_had()),
		.slab = kb(global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B)),
		.shmem = kb(global_node_page_state(NR_SHMEM)),
		.anon = kb(global_node_page_state(NR_ANON_MAPPED)),
		.tables = kb(global_node_page_state(NR_PAGETABLE)),
	};

	if (!nr_samples || differs(&now, &samples[(nr_samples - 1) % NR_SAMPLES]))
		samples[nr_samples++ % NR_SAMPLES] = now;
}

/* For a machine with one CPU. */
static void note_wait(u64 tsc)
{
	static u64 last_tsc, last_us;
	u64 us = get_cpu_iowait_time_us(0, NULL);
	struct wait *w = nr_waits ? &waits[(nr_waits - 1) % NR_WAITS] : NULL;

	if (last_tsc && us != last_us) {
		if (!w || w->to != last_tsc) {
			w = &waits[nr_waits++ % NR_WAITS];
			*w = (struct wait){ .from = last_tsc };
		}
		w->to = tsc;
		w->us += us - last_us;
	}
	last_tsc = tsc;
	last_us = us;
}

static void tick(struct timer_list *timer)
{
	u64 tsc = rdtsc_ordered();

	if (memory)
		note_memory(tsc);
	if (disk)
		note_wait(tsc);
	mod_timer(timer, jiffies + 1);
}

static void report(void)
{
	unsigned int i;

	for (i = nr_samples > NR_SAMPLES ? nr_samples - NR_SAMPLES : 0; i < nr_samples; i++) {
		const struct sample *s = &samples[i % NR_SAMPLES];

		pr_info("sample %llu %ld %ld %ld %ld %ld %ld %ld\n", s->tsc, s->total, s->added,
			s->available, s->slab, s->shmem, s->anon, s->tables);
	}
	for (i = nr_waits > NR_WAITS ? nr_waits - NR_WAITS : 0; i < nr_waits; i++) {
		const struct wait *w = &waits[i % NR_WAITS];

		pr_info("wait %llu %llu %llu\n", w->from, w->to, w->us);
	}
}

static int on_reboot(struct notifier_block *block, unsigned long event, void *data)
{
	report();
	return NOTIFY_DONE;
}

static struct notifier_block reboot_block = { .notifier_call = on_reboot };

static int on_memory(struct notifier_block *block, unsigned long event, void *data)
{
	const struct memory_notify *change = data;

	if (event == MEM_ONLINE)
		WRITE_ONCE(added, added + change->nr_pages);
	return NOTIFY_OK;
}

static struct notifier_block memory_block = { .notifier_call = on_memory };

static int set_report(const char *text, const struct kernel_param *param)
{
	report();
	return 0;
}

static int set_walk(const char *text, const struct kernel_param *param)
{
	unsigned long pages, pfn, i, walked = 0, sum = 0;
	u64 start, end;
	int err = kstrtoul(text, 10, &pages);

	if (err)
		return err;
	start = rdtsc_ordered();
	for (pfn = 0; walked < pages && pfn < (1UL << 40 >> PAGE_SHIFT); pfn += GROUP) {
		struct page *page = pfn_to_online_page(pfn);

		for (i = 0; page && i < GROUP; i++, walked++)
			sum += page_ref_count(page + i);
	}
	end = rdtsc_ordered();
	pr_info("walk %lu %llu (%lu)\n", walked, end - start, sum);
	return 0;
}

static const struct kernel_param_ops report_ops = { .set = set_report };
static const struct kernel_param_ops walk_ops = { .set = set_walk };
module_param(memory, bool, 0444);
module_param(disk, bool, 0444);
module_param_cb(report, &report_ops, NULL, 0200);
module_param_cb(walk, &walk_ops, NULL, 0200);

static int __init bench_mem_init(void)
{
	int err = register_memory_notifier(&memory_block);

	if (err)
		return err;
	err = register_reboot_notifier(&reboot_block);
	if (err) {
		unregister_memory_notifier(&memory_block);
		return err;
	}
	timer_setup(&ticker, tick, 0);
	mod_timer(&ticker, jiffies + 1);
	return 0;
}
module_init(bench_mem_init);

MODULE_DESCRIPTION("What only the kernel can see of a measurement, for bench/run");
MODULE_LICENSE("GPL");
