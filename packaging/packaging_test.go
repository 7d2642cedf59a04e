// Package packaging has no code. Its tests check the files of its folders.
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

// requireProgram skips the test if a program is not installed, and fails it under WATCHWORD_TEST_ALL.
func requireProgram(t *testing.T, program string) {
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

// systemd accepts every line of the unit and rates its exposure as low.
func TestRepair_N22_Unit(t *testing.T) {
	t.Parallel()
	requireProgram(t, "systemd-analyze")
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

// The alerts use only metrics that docs/operations.md describes.
func TestRepair_N22_AlertsNameMetricsThatExist(t *testing.T) {
	t.Parallel()
	text := read(t, "prometheus/alerts.yaml")
	if _, err := yaml.Parser().Unmarshal([]byte(text)); err != nil {
		t.Fatal(err)
	}
	docs := read(t, "../docs/operations.md")
	found := regexp.MustCompile(`watchword_[a-z_]+`).FindAllString(text, -1)
	if len(found) < 7 {
		t.Errorf("%d metrics, want at least 7", len(found))
	}
	for _, name := range found {
		if !strings.Contains(docs, "`"+name+"`") {
			t.Errorf("%s: not a metric of docs/operations.md", name)
		}
	}
}

// The compose file sets only variables that exist, and the root of its server is read-only.
func TestRepair_N22_Compose(t *testing.T) {
	t.Parallel()
	parsed, err := yaml.Parser().Unmarshal([]byte(read(t, "compose/compose.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	server := parsed["services"].(map[string]any)["watchword"].(map[string]any)
	if server["read_only"] != true {
		t.Error("the root of the container is writable")
	}
	manual := read(t, "../docs/configuration.md")
	for name := range server["environment"].(map[string]any) {
		if !strings.Contains(manual, "`"+name+"`") {
			t.Errorf("%s: not a setting", name)
		}
	}
}

// The container file builds a static binary, with the version of Go and the modules of go.mod.
func TestRepair_N22_ContainerCopiesAllThatTheBuildNeeds(t *testing.T) {
	t.Parallel()
	text := read(t, "container/Containerfile")
	for _, line := range []string{"CGO_ENABLED=0 go build", "FROM scratch", "USER 65532:65532", `CMD ["/watchword", "healthcheck"]`, "COPY guard/go.mod guard/go.sum guard/"} {
		if !strings.Contains(text, line) {
			t.Errorf("missing: %s", line)
		}
	}
	want := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))[1]
	if !strings.Contains(text, "FROM golang:"+want+" ") {
		t.Errorf("the image is not built with Go %s, the version of go.mod", want)
	}
}
