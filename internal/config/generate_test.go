package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated files")

func TestGeneratedFiles(t *testing.T) {
	for name, want := range map[string][]byte{
		"docs/configuration.md":      Manual(),
		"docs/watchword.schema.json": Schema(),
		"watchword.sample.yaml":      Sample(),
	} {
		path := filepath.Join("..", "..", filepath.FromSlash(name))
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want) {
			t.Errorf("%s is stale; run: go generate ./internal/config", name)
		}
	}
}

var commentedSetting = regexp.MustCompile(`(?m)^( *)#([a-z_]+:)`)

func TestSampleLoads(t *testing.T) {
	t.Parallel()
	c, err := loadYAML(t, string(Sample()))
	if err != nil || len(c.origins) != 0 {
		t.Errorf("as it is: %v, %v", err, c.origins)
	}
	c, err = loadYAML(t, commentedSetting.ReplaceAllString(string(Sample()), "$1$2"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Fields() {
		if c.origins[f.Key].source != SourceFile {
			t.Errorf("%s is not in the sample", f.Key)
		}
		if want := f.text(Default()); f.Default != "" && f.text(c) != want {
			t.Errorf("%s is %s in the sample and %s by default", f.Key, f.text(c), want)
		}
	}
}

func TestManualNamesEverything(t *testing.T) {
	t.Parallel()
	text := string(Manual())
	for _, name := range settingKeys(true) {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("%s is missing", name)
		}
	}
}

// The schema knows the same names as the loader, and its patterns match the defaults.
func TestSchemaAgreesWithLoader(t *testing.T) {
	t.Parallel()
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	var names []string
	var walk func(prefix string, o map[string]any)
	walk = func(prefix string, o map[string]any) {
		if o["additionalProperties"] != false {
			t.Errorf("%q accepts unknown names", prefix)
		}
		for name, v := range o["properties"].(map[string]any) {
			v := v.(map[string]any)
			if v["properties"] != nil {
				walk(prefix+name+".", v)
				continue
			}
			names = append(names, prefix+name)
			if p, ok := v["pattern"].(string); ok {
				if re := regexp.MustCompile(p); !re.MatchString(v["default"].(string)) {
					t.Errorf("%s: the pattern %s refuses the default %s", prefix+name, p, v["default"])
				}
			}
		}
	}
	walk("", root)
	want := settingKeys(false)
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("schema: %v\nloader: %v", names, want)
	}
}
