/* SPDX-License-Identifier: GPL-2.0-only */
/* In the new kernel: sizes that were derived while most of memory was hidden. */
#ifndef NVWA_TOOL_SIZES_H
#define NVWA_TOOL_SIZES_H

/* When all memory is there; says on stderr what could not be put right. */
void sizes_put_right(void);

#endif
