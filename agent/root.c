#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "init.h"

#define IMAGE_DIR "/run/image"
#define OVERLAY_DIR "/run/overlay"

static int make_directory(const char *path)
{
    if (mkdir(path, 0755) == 0 || errno == EEXIST) return 0;
    return fail("mkdir %s", path);
}

/*
 * The workload's root: the image below, the overlay disk above. The options are all off by default in most kernels;
 * said aloud so that a disk written under one kernel reads the same under the next.
 */
int mount_root(const struct settings *settings)
{
    errno = 0;
    if (settings->image[0] == '\0') return fail("the host gave no image");
    const char *directories[] = {IMAGE_DIR, OVERLAY_DIR, ROOT_DIR, NULL};
    for (int i = 0; directories[i] != NULL; i++)
        if (make_directory(directories[i]) < 0) return -1;
    if (mount(settings->image, IMAGE_DIR, "erofs", MS_RDONLY, NULL) < 0)
        return fail("mount the image %s", settings->image);
    if (settings->overlay[0] == '\0') {
        if (mount("overlay", OVERLAY_DIR, "tmpfs", 0, "mode=0755") < 0) return fail("mount a tmpfs for changes");
    } else if (mount_disk(settings->overlay, OVERLAY_DIR, settings->format_overlay) < 0) {
        return -1;
    }
    if (make_directory(OVERLAY_DIR "/upper") < 0 || make_directory(OVERLAY_DIR "/work") < 0) return -1;
    const char *options = "lowerdir=" IMAGE_DIR ",upperdir=" OVERLAY_DIR "/upper,workdir=" OVERLAY_DIR
                          "/work,index=off,metacopy=off,redirect_dir=off,xino=off";
    if (mount("overlay", ROOT_DIR, "overlay", 0, options) < 0) return fail("mount the overlay");
    return 0;
}
