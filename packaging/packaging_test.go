// Package packaging has no code: its tests try what the folders hold.
package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/knadh/koanf/parsers/yaml"
)

// lacks skips a test for want of a program, which is a failure where all must be tested.
func lacks(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("WATCHWORD_TEST_ALL") != "" {
		t.Fatalf("%s is not installed", program)
	}
	t.Skipf("%s is not installed", program)
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// systemd understands every line of the unit, and finds little that it may still do.
func TestRepair_N22_Unit(t *testing.T) {
	t.Parallel()
	lacks(t, "systemd-analyze")
	program := filepath.Join(t.TempDir(), "watchword")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "watchword.service")
	text := strings.ReplaceAll(read(t, "systemd/watchword.service"), "/usr/bin/watchword", program)
	if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}

	out, err := exec.Command("systemd-analyze", "verify", unit).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("verify: %v\n%s", err, out)
	}
	out, err = exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=20", unit).CombinedOutput()
	if err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}
}

// Every metric of the alerts is one that docs/operations.md describes.
func TestRepair_N22_AlertsNameMetricsThatExist(t *testing.T) {
	t.Parallel()
	text := read(t, "prometheus/alerts.yaml")
	if _, err := yaml.Parser().Unmarshal([]byte(text)); err != nil {
		t.Fatal(err)
	}
	docs := read(t, "../docs/operations.md")
	found := regexp.MustCompile(`watchword_[a-z_]+`).FindAllString(text, -1)
	if len(found) < 7 {
		t.Errorf("only %d metrics", len(found))
	}
	for _, name := range found {
		if !strings.Contains(docs, "`"+name+"`") {
			t.Errorf("%s is no metric", name)
		}
	}
}

// The settings of the compose file are settings, and its containers can do little.
func TestRepair_N22_Compose(t *testing.T) {
	t.Parallel()
	parsed, err := yaml.Parser().Unmarshal([]byte(read(t, "compose/compose.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	server := parsed["services"].(map[string]any)["watchword"].(map[string]any)
	if server["read_only"] != true {
		t.Error("the root of the container can be written to")
	}
	manual := read(t, "../docs/configuration.md")
	for name := range server["environment"].(map[string]any) {
		if !strings.Contains(manual, "`"+name+"`") {
			t.Errorf("%s is no setting", name)
		}
	}
}

// The container file builds the binary as it was built here: in a folder that holds what
// the image gets, statically, with modules that go.sum names.
func TestRepair_N22_ContainerCopiesAllThatTheBuildNeeds(t *testing.T) {
	t.Parallel()
	text := read(t, "container/Containerfile")
	for _, line := range []string{"CGO_ENABLED=0 go build", "FROM scratch", "USER 65532:65532", `CMD ["/watchword", "healthcheck"]`, "COPY guard/go.mod guard/go.sum guard/"} {
		if !strings.Contains(text, line) {
			t.Errorf("lacks %s", line)
		}
	}
	want := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))[1]
	if !strings.Contains(text, "FROM golang:"+want+" ") {
		t.Errorf("go.mod is of Go %s, the image is built with another", want)
	}
}
