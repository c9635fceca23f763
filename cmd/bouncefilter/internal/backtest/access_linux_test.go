package backtest

import (
	"io/fs"
	"syscall"
)

// accessTime returns when a file was read last.
func accessTime(info fs.FileInfo) syscall.Timespec { return info.Sys().(*syscall.Stat_t).Atim }
