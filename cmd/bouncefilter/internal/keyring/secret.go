package keyring

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/tomlfile"
)

// secretSize is the number of random octets in a secret made here; its file has twice as many hexadecimal digits. The
// digits themselves are the secret.
const secretSize = 32

// maxSecret is the largest secret that is read, in octets. Larger files are something else, named by mistake.
const maxSecret = 4096

// ReadSecret reads a secret from a file that only its owner can read. The secret is the file's content without one
// newline at its end, as Exim and batv-milter have it. The error is a [tomlfile.Problem] and never shows the content.
func ReadSecret(path string) ([]byte, error) {
	fail := func(what, remedy string) ([]byte, error) {
		return nil, tomlfile.Problem{File: path, What: what, Remedy: remedy}
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a named pipe must not block
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail("no such file", "copy it from where it is, or name another one")
	case errors.Is(err, fs.ErrPermission):
		return fail("permission denied", fmt.Sprintf("run this as root or as its owner; if the daemon says so: chown %d %s", os.Geteuid(), path))
	case err != nil:
		return fail(pathless(err), "")
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	switch {
	case err != nil:
		return fail(pathless(err), "")
	case !info.Mode().IsRegular():
		return fail("is not a regular file", "name a file")
	case info.Mode().Perm()&0o077 != 0:
		return fail(fmt.Sprintf("users other than its owner may use this secret (mode %04o)", info.Mode().Perm()), "run chmod 600 "+path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	secret := bytes.TrimSuffix(data, []byte("\n"))
	switch {
	case err != nil:
		return fail(pathless(err), "")
	case len(data) > maxSecret:
		return fail(fmt.Sprintf("is larger than %d octets", maxSecret), "is it the right file?")
	case len(secret) == 0:
		return fail("is empty", "restore the secret from a copy")
	}
	return secret, nil
}

// NewSecret returns a new random secret.
func NewSecret() []byte {
	b := make([]byte, secretSize)
	_, _ = rand.Read(b) // never fails, by its contract
	return hex.AppendEncode(nil, b)
}

// CreateSecret writes a secret to a new file of mode 0600, durably. It never writes over a file: if path exists in any
// form, the error is fs.ErrExist. The file has its whole content from the moment it exists, so that a crash cannot leave
// an empty one.
func CreateSecret(path string, secret []byte) error {
	temp, err := writeTemp(filepath.Dir(path), append(bytes.Clone(secret), '\n'), 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp) }() // it is a second link to the same file
	if err := os.Link(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// EnsureSecret reads the secret at path, or makes one if there is none.
func EnsureSecret(path string) (secret []byte, made bool, err error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		err = CreateSecret(path, NewSecret())
		made = err == nil
		if err != nil && !errors.Is(err, fs.ErrExist) { // another process may have been first
			return nil, false, err
		}
	}
	secret, err = ReadSecret(path)
	return secret, made, err
}

// Fingerprint returns a few digits by which operators can compare a secret on two hosts. It cannot be turned back into a
// random secret.
func Fingerprint(secret []byte) string {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte("bouncefilter key fingerprint"))
	sum := sha256.Sum256(m.Sum(nil))
	return hex.EncodeToString(sum[:4])
}

// writeTemp writes data to a new file in dir, durably, and returns its name. If a privileged process writes into
// another user's folder the file becomes that user's: keys made by root must be readable by the daemon that owns the folder.
func writeTemp(dir string, data []byte, mode fs.FileMode) (string, error) {
	f, err := os.CreateTemp(dir, ".bouncefilter-*") // with O_EXCL and mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = giveToOwnerOf(dir, f)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func giveToOwnerOf(dir string, f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(st.Uid), int(st.Gid))
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// pathless returns a file error without the path, which is in the problem already.
func pathless(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
