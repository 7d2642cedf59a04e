package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// exposure is how far the permissions of a file with a secret expose it.
type exposure int

const (
	private exposure = iota // readable only by this process's user and groups, or by a group that root chose
	shared                  // readable by more users than usual; accepted with a warning
	exposed                 // readable or writable by anyone; refused
)

// credentialsEnv names the folder of the credentials of the systemd unit (LoadCredential=). Only
// the unit can read the folder, whatever the modes of its files are.
const credentialsEnv = "CREDENTIALS_DIRECTORY"

// mountedSecrets is where Docker Compose mounts secrets, read-only and with the mode of the file
// on the host. Only root can create that folder.
const mountedSecrets = "/run/secrets"

// judgeMode returns the exposure of an open file. Permissions of pipes do not matter.
func (l *loader) judgeMode(name string, info fs.FileInfo) exposure {
	mode := info.Mode().Perm()
	if !info.Mode().IsRegular() || below(name, l.credentials) {
		return private
	}
	e := private
	switch {
	case mode&0o026 != 0:
		e = exposed
	case mode&0o040 != 0 && !groupIsTrusted(info):
		e = shared
	}
	if e == exposed && below(name, mountedSecrets) {
		e = shared
	}
	return e
}

// below reports whether the file is in the folder, after symbolic links are resolved.
func below(name, folder string) bool {
	if folder == "" {
		return false
	}
	resolved, err := realPath(name)
	if err != nil {
		return false
	}
	if folder, err = realPath(folder); err != nil {
		return false
	}
	inner, err := filepath.Rel(folder, resolved)
	return err == nil && inner != "." && inner != ".." && !strings.HasPrefix(inner, "../")
}

func realPath(name string) (string, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}

// advice returns how to restrict the permissions of a file with a secret, in the usual
// environments.
func advice(name string) string {
	return "run: chmod 600 " + name + " (Docker Compose: on the host, owned by the user of the container; Kubernetes: defaultMode: 0440 and securityContext.fsGroup; systemd: LoadCredential=)"
}

// groupIsTrusted reports whether the group of a file is one of this process's groups, or was
// chosen by root, as in a Kubernetes pod with fsGroup.
func groupIsTrusted(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	groups, err := os.Getgroups()
	return s.Uid == 0 || int(s.Gid) == os.Getegid() || err == nil && slices.Contains(groups, int(s.Gid))
}
