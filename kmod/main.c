// SPDX-License-Identifier: GPL-2.0-only
/* /dev/nvwa: the device, the table of calls and the module's state. */
#include "nvwa.h"

#include <linux/capability.h>
#include <linux/cc_platform.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <asm/msr.h>
#include <asm/tsc.h>

DEFINE_MUTEX(nvwa_lock);
u32 nvwa_state = NVWA_STATE_IDLE;

/* The file that has the capture, in NVWA_STATE_CAPTURING and NVWA_STATE_SEALED. */
static struct file *owner;
static struct capture *capture;

void nvwa_read_clocks(struct nvwa_clocks *c)
{
	unsigned long flags;
	s64 tai;

	local_irq_save(flags);
	c->tsc = rdtsc_ordered();
	c->realtime_ns = ktime_get_real_ns();
	c->boottime_ns = ktime_get_boottime_ns();
	tai = ktime_get_clocktai_ns();
	local_irq_restore(flags);
	c->tsc_khz = tsc_khz;
	c->tai_offset_s = DIV_ROUND_CLOSEST(tai - (s64)c->realtime_ns, (s64)NSEC_PER_SEC);
}

int nvwa_get_ranges(u64 user, u32 nr, u64 limit, struct nvwa_range **out)
{
	struct nvwa_range *r;
	u64 end = 0;
	u32 i;

	r = kvmalloc_array(max(nr, 1U), sizeof(*r), GFP_KERNEL);
	if (!r)
		return -ENOMEM;
	if (copy_from_user(r, u64_to_user_ptr(user), nr * sizeof(*r))) {
		kvfree(r);
		return -EFAULT;
	}
	for (i = 0; i < nr; i++) {
		if (!PAGE_ALIGNED(r[i].start | r[i].len) || !r[i].len || r[i].start < end ||
		    r[i].start >= limit || r[i].len > limit - r[i].start) {
			kvfree(r);
			return -EINVAL;
		}
		end = r[i].start + r[i].len;
	}
	*out = r;
	return 0;
}

struct mm_struct *nvwa_mm_of(s32 nr)
{
	struct pid *pid = nr > 0 ? find_get_pid(nr) : NULL;
	struct task_struct *task = get_pid_task(pid, PIDTYPE_TGID);
	struct mm_struct *mm = task ? get_task_mm(task) : NULL;

	if (task)
		put_task_struct(task);
	put_pid(pid);
	return mm;
}

/* Another kernel would see what this one has written as it lies in memory: as noise. */
static bool memory_is_encrypted(void)
{
	return cc_platform_has(CC_ATTR_MEM_ENCRYPT);
}

static long call_info(struct file *file, void *data)
{
	struct nvwa_info *arg = data;
	struct nvwa_clocks c;

	arg->abi_version = NVWA_ABI_VERSION;
	arg->state = nvwa_state;
	arg->flags = memory_is_encrypted() ? NVWA_INFO_ENCRYPTED : 0;
	arg->nr_held = capture ? capture_held(capture) :
		nvwa_adopted ? nvwa_adopted->pages.nr : 0;
	arg->online_callback_free = memory_callback_free();
	nvwa_read_clocks(&c);
	arg->tsc = c.tsc;
	arg->realtime_ns = c.realtime_ns;
	arg->boottime_ns = c.boottime_ns;
	arg->tsc_khz = c.tsc_khz;
	return 0;
}

static long call_begin(struct file *file, void *data)
{
	struct nvwa_begin *arg = data;
	int err;

	if (arg->flags || arg->reserved)
		return -EINVAL;
	if (nvwa_state != NVWA_STATE_IDLE)
		return -EBUSY;
	if (memory_is_encrypted())
		return -EOPNOTSUPP;
	err = capture_begin(arg, &capture);
	if (!err) {
		owner = file;
		nvwa_state = NVWA_STATE_CAPTURING;
	}
	return err;
}

static long call_capture(struct file *file, void *data)
{
	return owner == file ? capture_process(capture, data) : -EINVAL;
}

static long call_capture_shmem(struct file *file, void *data)
{
	return owner == file ? capture_shmem(capture, data) : -EINVAL;
}

static long call_put(struct file *file, void *data)
{
	return owner == file ? capture_put(capture, data) : -EINVAL;
}

static long call_seal(struct file *file, void *data)
{
	int err = owner == file ? capture_seal(capture, data) : -EINVAL;

	if (!err)
		nvwa_state = NVWA_STATE_SEALED;
	return err;
}

static long call_park(struct file *file, void *data)
{
	return owner == file ? park_arm(data) : -EINVAL;
}

static long call_firmware(struct file *file, void *data)
{
	return firmware_read(data);
}

static long call_adopt(struct file *file, void *data)
{
	int err;

	if (nvwa_state == NVWA_STATE_ADOPTED)
		return -EALREADY;
	if (nvwa_state != NVWA_STATE_IDLE)
		return -EBUSY;
	err = adopt(data);
	if (!err)
		nvwa_state = NVWA_STATE_ADOPTED;
	return err;
}

static long call_add_memory(struct file *file, void *data)
{
	return memory_add(data);
}

static long call_insert(struct file *file, void *data)
{
	return nvwa_state == NVWA_STATE_ADOPTED ? insert_process(data) : -ENOENT;
}

static long call_insert_shmem(struct file *file, void *data)
{
	return nvwa_state == NVWA_STATE_ADOPTED ? insert_shmem(data) : -ENOENT;
}

static long call_release(struct file *file, void *data)
{
	int err = nvwa_state == NVWA_STATE_ADOPTED ? adopt_release(data) : -ENOENT;

	if (!err)
		nvwa_state = NVWA_STATE_IDLE;
	return err;
}

static long call_vmas(struct file *file, void *data)
{
	return vmas_list(data);
}

static long call_aio(struct file *file, void *data)
{
	return aio_count(data);
}

static long call_quiet(struct file *file, void *data)
{
	return owner == file ? devices_quiet(data) : -EINVAL;
}

static const struct {
	unsigned int cmd;
	long (*call)(struct file *file, void *arg);
} calls[] = {
	{ NVWA_IOC_INFO, call_info },
	{ NVWA_IOC_BEGIN, call_begin },
	{ NVWA_IOC_CAPTURE, call_capture },
	{ NVWA_IOC_PUT, call_put },
	{ NVWA_IOC_SEAL, call_seal },
	{ NVWA_IOC_ADOPT, call_adopt },
	{ NVWA_IOC_ADD_MEMORY, call_add_memory },
	{ NVWA_IOC_INSERT, call_insert },
	{ NVWA_IOC_RELEASE, call_release },
	{ NVWA_IOC_CAPTURE_SHMEM, call_capture_shmem },
	{ NVWA_IOC_INSERT_SHMEM, call_insert_shmem },
	{ NVWA_IOC_VMAS, call_vmas },
	{ NVWA_IOC_PARK, call_park },
	{ NVWA_IOC_QUIET, call_quiet },
	{ NVWA_IOC_FIRMWARE, call_firmware },
	{ NVWA_IOC_AIO, call_aio },
};

static long nvwa_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	union {
		u32 size;
		u8 raw[256];
	} arg;
	unsigned int i = _IOC_NR(cmd);
	size_t size = _IOC_SIZE(cmd);
	long err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (i >= ARRAY_SIZE(calls) || calls[i].cmd != cmd)
		return -ENOTTY;
	BUILD_BUG_ON(sizeof(struct nvwa_begin) > sizeof(arg));
	if (copy_from_user(&arg, (void __user *)user, size))
		return -EFAULT;
	if (arg.size != size)
		return -EINVAL;
	err = mutex_lock_killable(&nvwa_lock);
	if (err)
		return err;
	err = calls[i].call(file, &arg);
	mutex_unlock(&nvwa_lock);
	/* Also on failure: some name the place in the struct. */
	if (copy_to_user((void __user *)user, &arg, size))
		return -EFAULT;
	return err;
}

/* The record stream, while it is adopted. */
static ssize_t nvwa_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	ssize_t n;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (mutex_lock_killable(&nvwa_lock))
		return -EINTR;
	n = !nvwa_adopted ? -ENOENT :
		simple_read_from_buffer(to, len, pos, nvwa_adopted->stream,
					nvwa_adopted->header.record_len);
	mutex_unlock(&nvwa_lock);
	return n;
}

/*
 * The same in place. It was checked, so nobody may write to it: what is written to in a
 * private mapping is a copy.
 */
static int nvwa_mmap(struct file *file, struct vm_area_struct *vma)
{
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (vma->vm_flags & VM_SHARED || vma->vm_pgoff)
		return -EINVAL;
	/* We are under the caller's mmap lock, which calls take when they have this one. */
	if (!mutex_trylock(&nvwa_lock))
		return -EBUSY;
	err = nvwa_adopted ? remap_vmalloc_range(vma, nvwa_adopted->stream, 0) : -ENOENT;
	mutex_unlock(&nvwa_lock);
	return err;
}

static int nvwa_close(struct inode *inode, struct file *file)
{
	mutex_lock(&nvwa_lock);
	if (owner == file) {
		park_disarm();
		devices_leave();
		capture_end(capture);
		capture = NULL;
		owner = NULL;
		nvwa_state = NVWA_STATE_IDLE;
	}
	mutex_unlock(&nvwa_lock);
	return 0;
}

static const struct file_operations nvwa_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = nvwa_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read = nvwa_read,
	.mmap = nvwa_mmap,
	.llseek = default_llseek,
	.release = nvwa_close,
};

static struct miscdevice nvwa_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "nvwa",
	.fops = &nvwa_fops,
	.mode = 0600,
};

static int __init nvwa_init(void)
{
	int err = crew_init();

	if (err)
		return err;
	err = misc_register(&nvwa_device);
	if (err)
		crew_exit();
	return err;
}

static void __exit nvwa_exit(void)
{
	misc_deregister(&nvwa_device);
	crew_exit();
}

module_init(nvwa_init);
module_exit(nvwa_exit);
MODULE_LICENSE("GPL");
/* Fast SHA-256; part of the kernel proper since 6.16. */
MODULE_SOFTDEP("pre: sha256-ssse3");
MODULE_DESCRIPTION("nvwa: carries programs over a change of the kernel");
