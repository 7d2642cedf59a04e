package router

import (
	"strings"
	"testing"
)

func FuzzUpload(f *testing.F) {
	for _, body := range []string{
		"--b\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; name=\"picture\"; filename=\"a.png\"\r\n\r\ny\r\n--b--\r\n",
		"--b\r\n\r\n\r\n--b--", "--b--", "",
	} {
		f.Add([]byte(body), "b")
	}
	f.Fuzz(func(t *testing.T, body []byte, boundary string) {
		form, file, err := parseUpload(body, boundary)
		n := len(file)
		for _, values := range form {
			n += len(strings.Join(values, ""))
		}
		if n > len(body) || err != nil && (form != nil || file != nil) {
			t.Errorf("%d bytes of %d, %v", n, len(body), err)
		}
	})
}

func TestUpload(t *testing.T) {
	t.Parallel()
	part := func(head, content string) string {
		return "--b\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + content + "\r\n"
	}
	file := part(`name="picture"; filename="../a.png"`, "file")
	for name, tt := range map[string]struct {
		body string
		want string // fields and file; empty for a refusal
	}{
		"fields and a file": {part(`name="csrf"`, "x") + file + "--b--", "x file"},
		"a file alone":      {file + "--b--", " file"},
		"two files":         {file + file + "--b--", ""},
		"many fields":       {strings.Repeat(part(`name="csrf"`, "x"), maxParts+1) + "--b--", ""},
		"no end":            {part(`name="csrf"`, "x") + file, ""},
		"no form":           {"csrf=x", ""},
	} {
		form, got, err := parseUpload([]byte(tt.body), "b")
		if all := form.Get("csrf") + " " + string(got); (err == nil) != (tt.want != "") || err == nil && all != tt.want {
			t.Errorf("%s: %q, %v", name, all, err)
		}
	}
}
