package memlimit

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// unlimited is from where on a limit of cgroup v1 is none: it has the largest number of pages there.
const unlimited = math.MaxInt64 / 2

// cgroup returns the least limit of the memory of the process's cgroup and of those above it, and the file that has it; 0 if there is
// none. See cgroups(7), "Control Group v2" and "Memory Resource Controller" in the kernel's documentation.
func cgroup(root fs.FS) (least int64, source string, err error) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, "", nil // a kernel without cgroups
	} else if err != nil {
		return 0, "", fmt.Errorf("find the cgroup: %w", err)
	}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return 0, "", fmt.Errorf("find the file system of cgroups: %w", err)
	}
	for line := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // hierarchy, controllers, path
		if len(fields) != 3 {
			continue
		}
		v2 := fields[0] == "0"
		if !v2 && !slices.Contains(strings.Split(fields[1], ","), "memory") {
			continue
		}
		for dir := range above(string(mounts), v2, fields[2]) {
			n, file, err := limitOf(root, dir, v2)
			if err != nil {
				return 0, "", err
			}
			if n > 0 && (least == 0 || n < least) {
				least, source = n, "/"+file
			}
		}
	}
	return least, source, nil
}

// above yields the directory of a cgroup in the first file system that has it, and the directories above.
func above(mounts string, v2 bool, group string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for line := range strings.Lines(mounts) { // proc_pid_mountinfo(5): id, parent, device, root, mount point, ..., -, type, source, options
			before, after, _ := strings.Cut(line, " - ")
			place, kind := strings.Fields(before), strings.Fields(after)
			if len(place) < 5 || len(kind) < 3 {
				continue
			}
			if v2 != (kind[0] == "cgroup2") || !v2 && (kind[0] != "cgroup" || !slices.Contains(strings.Split(kind[2], ","), "memory")) {
				continue
			}
			top := strings.TrimPrefix(place[4], "/")
			rel, inside := strings.CutPrefix(group, strings.TrimSuffix(place[3], "/"))
			dir := path.Join(top, rel)
			if !inside || !strings.HasPrefix(dir, top) { // in a container, whose file system begins below the root of the hierarchy
				dir = top
			}
			for yield(dir) && dir != top {
				dir = path.Dir(dir)
			}
			return
		}
	}
}

// limitOf returns the limit of the cgroup in a directory and the file that has it; 0 if there is none.
func limitOf(root fs.FS, dir string, v2 bool) (least int64, source string, err error) {
	files := []string{"memory.limit_in_bytes"}
	if v2 {
		files = []string{"memory.max", "memory.high"}
	}
	for _, name := range files {
		file := path.Join(dir, name)
		text, err := fs.ReadFile(root, file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the root has none, and a controller may be off
		} else if err != nil {
			return 0, "", fmt.Errorf("read the limit of the cgroup: %w", err)
		}
		value := strings.TrimSpace(string(text))
		if value == "max" {
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return 0, "", fmt.Errorf("%s has no number: %w", file, err)
		}
		if n < unlimited && (least == 0 || n < least) {
			least, source = n, file
		}
	}
	return least, source, nil
}
