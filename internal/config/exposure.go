package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// exposure says what the permissions of a file with a secret allow to others.
type exposure int

const (
	private exposure = iota // only this process's user and groups, or root's choice of a group, read it
	shared                  // more may read it than is usual; used, with a warning
	exposed                 // others may read or change it; refused
)

// credentialsEnv names where systemd puts the credentials of the unit (LoadCredential=).
// The folder is readable only by the unit, whatever the modes of its files say.
const credentialsEnv = "CREDENTIALS_DIRECTORY"

// mountedSecrets is where Docker Compose mounts secrets, read-only and with the mode
// that the file has on the host. Only root can make that folder.
const mountedSecrets = "/run/secrets"

// judgeMode says how exposed the file is that was opened under name. Pipes have no
// permissions that matter.
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

// below reports whether the file lies in the folder, wherever symbolic links lead.
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

// advice says how to close a file with a secret, in each of the usual surroundings.
func advice(name string) string {
	return "run: chmod 600 " + name + " (Docker Compose: on the host, owned by the user of the container; Kubernetes: defaultMode: 0440 and securityContext.fsGroup; systemd: LoadCredential=)"
}

// groupIsTrusted reports whether the group that may read a file is one of this
// process's own, or was chosen by root. So it is in a Kubernetes pod with fsGroup.
func groupIsTrusted(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	groups, err := os.Getgroups()
	return s.Uid == 0 || int(s.Gid) == os.Getegid() || err == nil && slices.Contains(groups, int(s.Gid))
}
