package main

import (
	"bytes"
	"errors"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/config"
)

// A stamp of Go's is shown: commit, date, and that files were changed.
func TestRepair_U14_VersionStamp(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.time", Value: "2026-11-28T20:00:00Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	if got, want := versionOf(info), "devel 0123456789ab 2026-11-28 modified go1.26.0"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// What could not be found out is neither right nor wrong.
func TestRepair_U12_NotCompared(t *testing.T) {
	t.Parallel()
	a := issuerResponse{status: 502}
	_, err := a.checkIdentity(&config.Config{Issuer: "https://auth.example.com"})
	if _, ok := errors.AsType[inconclusiveError](err); !ok {
		t.Errorf("identity: %v", err)
	}
	var out bytes.Buffer
	doctorCmd{}.print(&env{system: system{Out: &out}}, config.Default(), nil, []finding{{Check: "issuer", Unknown: true, Detail: "not compared"}})
	if !strings.Contains(out.String(), "-- ") || strings.Contains(out.String(), "ok ") {
		t.Errorf("%s", out.String())
	}
}

func TestRepair_U16_HelpWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"help", 0, "Usage: watchword"},
		{"help user create", 0, "Usage: watchword user create"},
		{"user create --nothing", 2, "see: watchword user create --help"},
		{"nothing", 2, "see: watchword --help"},
		{"client create --name", 2, "--name: expected string value; see: watchword client create --help"},
		{"client create --name A --type web --set =true", 1, "--set =true: NAME=VALUE is expected"},
		{"client create --name A --type web --set popup", 1, "--set popup: NAME=VALUE is expected"},
	} {
		var out bytes.Buffer
		code := run(t.Context(), strings.Fields(c.args), system{Out: &out, Err: &out})
		if code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %d %s", c.args, code, out.String())
		}
	}
}

// The development server keeps the resources of the examples beside configured ones.
func TestRepair_U9_ExampleResources(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.OAuth.Resources = config.Resources{{URL: "https://mcp.example.com"}, exampleResources[0]}
	addExamples(cfg)
	if len(cfg.OAuth.Resources) != 3 || cfg.OAuth.Resources[2].URL != exampleResources[1].URL {
		t.Errorf("%+v", cfg.OAuth.Resources)
	}
}
