// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices at the jump. kernel_kexec() has called the reboot notifiers, ours
 * last, before device_shutdown() has each PCI driver shut its devices down; from
 * the notifiers on nothing leads back (kernel/kexec_core.c, 6.1 to 7.3). After
 * the driver the PCI core switches off bus mastering, unless it does not know
 * the function's power state, as of one without a driver (pci_device_shutdown()).
 *
 * With bus mastering off a function sends no MSI either; the next kernel
 * disables MSI and MSI-X before it does anything else with a function, and INTx
 * stays masked until a driver enables the function (pci_enable_device()).
 */
#include "nvwa.h"

#include <linux/device.h>
#include <linux/nvme.h>
#include <linux/pci.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

/* They change only while the notifier is not registered, so it needs no lock. */
static char (*quiet_drivers)[NVWA_DRIVER_NAME_LEN];
static u32 nr_quiet_drivers;
static bool registered;

static bool is_quiet_driver(const char *name)
{
	u32 i;

	for (i = 0; i < nr_quiet_drivers; i++) {
		if (!strcmp(quiet_drivers[i], name))
			return true;
	}
	return false;
}

/*
 * A controller that is enabled may write to host memory of its own accord: an
 * asynchronous event, or its host memory buffer. The driver of the next kernel
 * lets it, for a moment, as it enables bus mastering before it disables the
 * controller. Disabled, it does nothing; that it is done is waited for there.
 */
static void disable_nvme(struct pci_dev *pdev)
{
	void __iomem *regs;
	u32 cc;

	if (!pci_is_enabled(pdev) || pdev->current_state != PCI_D0)
		return;
	regs = pci_iomap(pdev, 0, PAGE_SIZE);
	if (!regs)
		return;
	cc = readl(regs + NVME_REG_CC);
	/* All ones: it is gone. */
	if (cc != U32_MAX) {
		writel(cc & ~(NVME_CC_ENABLE | NVME_CC_SHN_MASK), regs + NVME_REG_CC);
		readl(regs + NVME_REG_CSTS);	/* it has arrived */
	}
	pci_iounmap(pdev, regs);
}

/* In place of the driver's shutdown: all that hangs on the device was shut down before. */
static void quiet(struct pci_dev *pdev)
{
	if (pdev->class == PCI_CLASS_STORAGE_EXPRESS)
		disable_nvme(pdev);
	pci_intx(pdev, 0);
	pci_clear_master(pdev);
}

static int on_reboot(struct notifier_block *nb, unsigned long action, void *cmd)
{
	struct pci_dev *pdev = NULL;
	unsigned int nr = 0;

	/* What kernel_kexec() says, and no other kind of restart. */
	if (action != SYS_RESTART || !cmd || strcmp(cmd, "kexec reboot"))
		return NOTIFY_DONE;

	if (nvwa_late)
		nvwa_late->told_tsc = rdtsc_ordered();
	for_each_pci_dev(pdev) {
		device_lock(&pdev->dev);
		if (pdev->driver && is_quiet_driver(pdev->driver->name)) {
			pdev->driver->shutdown = quiet;
			nr++;
		} else if (!pdev->driver && !NVWA_PCI_NO_DMA(pdev->class)) {
			pci_clear_master(pdev);
		}
		device_unlock(&pdev->dev);
	}
	pr_info("%u devices are quieted, all others shut down\n", nr);
	return NOTIFY_DONE;
}

static struct notifier_block reboot_notifier = {
	.notifier_call = on_reboot,
	.priority = INT_MIN,
};

void devices_leave(void)
{
	if (registered)
		unregister_reboot_notifier(&reboot_notifier);
	registered = false;
	kvfree(quiet_drivers);
	quiet_drivers = NULL;
	nr_quiet_drivers = 0;
}

int devices_quiet(struct nvwa_quiet *arg)
{
	size_t bytes = arg->nr_drivers * sizeof(*quiet_drivers);
	char (*list)[NVWA_DRIVER_NAME_LEN] = NULL;
	u32 i;

	if (arg->flags || arg->reserved || arg->nr_drivers > NVWA_MAX_DRIVERS)
		return -EINVAL;
	if (arg->nr_drivers) {
		list = vmemdup_user(u64_to_user_ptr(arg->drivers), bytes);
		if (IS_ERR(list))
			return PTR_ERR(list);
	}
	for (i = 0; i < arg->nr_drivers; i++) {
		if (!list[i][0] || strnlen(list[i], sizeof(list[i])) == sizeof(list[i])) {
			kvfree(list);
			return -EINVAL;
		}
	}

	devices_leave();
	quiet_drivers = list;
	nr_quiet_drivers = arg->nr_drivers;
	register_reboot_notifier(&reboot_notifier);
	registered = true;
	return 0;
}
