package main

import (
	"runtime/debug"
	"strings"
)

// version returns the version that the Go linker recorded.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return versionOf(info)
}

// versionOf returns the version of the module, the commit with its date, and the version
// of Go.
func versionOf(info *debug.BuildInfo) string {
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	vcs := map[string]string{}
	for _, s := range info.Settings {
		vcs[s.Key] = s.Value
	}
	if revision := vcs["vcs.revision"]; len(revision) >= 12 {
		v += " " + revision[:12]
	}
	if day, _, ok := strings.Cut(vcs["vcs.time"], "T"); ok {
		v += " " + day
	}
	if vcs["vcs.modified"] == "true" && !strings.Contains(v, "+dirty") {
		v += " modified"
	}
	return v + " " + info.GoVersion
}
