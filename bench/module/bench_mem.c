// SPDX-License-Identifier: GPL-2.0-only
/*
 * What of a measurement only the kernel can see: how much memory is in use at
 * every tick, also while all of user space stands still, and how long a bare
 * walk over struct pages takes. Says it in the kernel log: the samples at a
 * jump or when "report" is written, a walk when the number of pages is written
 * to "walk". Stays loaded: the guest is thrown away afterwards.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/reboot.h>
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
#define NR_SAMPLES	2048U
/* Pages per look whether there is memory at all. */
#define GROUP		512UL

struct sample {
	u64 tsc;
	long total, available, free, slab;	/* kB */
};

static struct sample samples[NR_SAMPLES];
static unsigned int nr_samples;
static struct timer_list ticker;

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
	return abs(a->total - b->total) >= STEP_KB || abs(a->available - b->available) >= STEP_KB ||
	       abs(a->free - b->free) >= STEP_KB || abs(a->slab - b->slab) >= STEP_KB;
}

static void tick(struct timer_list *timer)
{
	struct sample now = {
		.tsc = rdtsc_ordered(),
		.total = kb(totalram_pages()),
		.available = kb(to_be_had()),
		.free = kb(global_zone_page_state(NR_FREE_PAGES)),
		.slab = kb(global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B)),
	};

	if (!nr_samples || differs(&now, &samples[(nr_samples - 1) % NR_SAMPLES]))
		samples[nr_samples++ % NR_SAMPLES] = now;
	mod_timer(timer, jiffies + 1);
}

static void report(void)
{
	unsigned int i = nr_samples > NR_SAMPLES ? nr_samples - NR_SAMPLES : 0;

	for (; i < nr_samples; i++) {
		const struct sample *s = &samples[i % NR_SAMPLES];

		pr_info("sample %llu %ld %ld %ld %ld\n", s->tsc, s->total, s->available, s->free,
			s->slab);
	}
}

static int on_reboot(struct notifier_block *block, unsigned long event, void *data)
{
	report();
	return NOTIFY_DONE;
}

static struct notifier_block reboot_block = { .notifier_call = on_reboot };

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
module_param_cb(report, &report_ops, NULL, 0200);
module_param_cb(walk, &walk_ops, NULL, 0200);

static int __init bench_mem_init(void)
{
	int err = register_reboot_notifier(&reboot_block);

	if (err)
		return err;
	timer_setup(&ticker, tick, 0);
	mod_timer(&ticker, jiffies + 1);
	return 0;
}
module_init(bench_mem_init);

MODULE_DESCRIPTION("Memory in use at every tick, and a walk over struct pages, for bench/run");
MODULE_LICENSE("GPL");
