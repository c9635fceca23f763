package main

import (
	"fmt"
	"runtime/debug"
)

// versionCmd prints what the binary was built from.
type versionCmd struct{}

// Run implements the command.
func (versionCmd) Run(a *app) error {
	b := readBuild()
	fmt.Fprintf(a.stdout, "bouncefilter %s", b.version)
	if b.revision != "" {
		fmt.Fprintf(a.stdout, " (%s)", b.revision)
	}
	fmt.Fprintf(a.stdout, " %s\n", b.golang)
	return nil
}

// build is what the Go toolchain wrote into the binary.
type build struct{ version, revision, golang string }

func readBuild() build {
	b := build{version: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.golang = info.GoVersion
	if info.Main.Version != "" {
		b.version = info.Main.Version
	}
	modified := ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.revision = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				modified = ", modified"
			}
		}
	}
	if b.revision != "" {
		b.revision += modified
	}
	return b
}
