package app

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"tidemark/flags/audit"
)

// A backup is a tar file: what it is, the databases, and at its end the manifest, by
// which whoever reads it knows that all of it came.
const (
	backupFormat   = 1
	aboutName      = "tidemark-backup.json"
	manifestName   = "manifest.json"
	maxDescription = 8 << 20 // of the two that are not databases
)

// About says at the start of a backup what follows.
type About struct {
	Format  int       `json:"format"`
	Made    time.Time `json:"made"`
	Program string    `json:"program"`
	// Bytes is about how much follows; for a progress bar.
	Bytes int64 `json:"bytes"`
}

// Manifest lists what a backup holds.
type Manifest struct {
	About

	Files []ManifestFile `json:"files"`
	Audit ManifestAudit  `json:"audit"`
}

// ManifestFile is one database of a backup.
type ManifestFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// ManifestAudit is a signed head that the audit log of the backup continues.
type ManifestAudit struct {
	Size       int64  `json:"size"`
	Root       string `json:"root"`
	Public     string `json:"public"`
	Checkpoint string `json:"checkpoint"`
}

func manifestAudit(c *audit.Checkpoint, public string) ManifestAudit {
	return ManifestAudit{Size: c.Size, Root: c.Root.String(), Public: public, Checkpoint: string(c.Note)}
}

// ErrBackup means that a file is no backup, or not all of one.
var ErrBackup = errors.New("not a whole backup")

// archiveWriter writes a backup.
type archiveWriter struct {
	tar *tar.Writer
	m   Manifest
}

func newArchive(w io.Writer, about About) (*archiveWriter, error) {
	a := &archiveWriter{tar: tar.NewWriter(w), m: Manifest{About: about}}
	return a, a.describe(aboutName, about)
}

func (a *archiveWriter) describe(name string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := a.header(name, int64(len(raw))); err != nil {
		return err
	}
	_, err = a.tar.Write(raw)
	return err
}

func (a *archiveWriter) header(name string, size int64) error {
	return a.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: a.m.Made, Format: tar.FormatPAX})
}

// add writes a file and notes its sum.
func (a *archiveWriter) add(name string, size int64, r io.Reader) error {
	if err := a.header(name, size); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(a.tar, sum), r); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	a.m.Files = append(a.m.Files, ManifestFile{name, size, hex.EncodeToString(sum.Sum(nil))})
	return nil
}

// end writes the manifest.
func (a *archiveWriter) end(head ManifestAudit) error {
	a.m.Audit = head
	if err := a.describe(manifestName, &a.m); err != nil {
		return err
	}
	return a.tar.Close()
}

// fileName is what a file of a backup may be called: nothing that leads elsewhere.
var fileName = regexp.MustCompile(`^(control|telemetry|telemetry-[0-9]{6,18})\.db$`)

// ReadBackup reads a backup to its end and compares each file with the manifest. each
// gets what begins it and each file as it comes; it may read as little as it likes.
func ReadBackup(r io.Reader, each func(about About, name string, size int64, r io.Reader) error) (*Manifest, error) {
	t := tar.NewReader(r)
	var about About
	if err := nextDescription(t, aboutName, &about); err != nil {
		return nil, err
	}
	if about.Format != backupFormat {
		return nil, fmt.Errorf("%w that this program knows: its format is %d, not %d; a newer program made it", ErrBackup, about.Format, backupFormat)
	}
	var read []ManifestFile
	for {
		h, err := t.Next()
		if err != nil {
			return nil, cutOff(err)
		}
		if h.Name == manifestName {
			return readManifest(t, h, read)
		}
		if h.Typeflag != tar.TypeReg || !fileName.MatchString(h.Name) {
			return nil, fmt.Errorf("%w: it holds %q", ErrBackup, h.Name)
		}
		sum := sha256.New()
		in := io.TeeReader(t, sum)
		if err := each(about, h.Name, h.Size, in); errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, cutOff(err)
		} else if err != nil {
			return nil, err
		}
		if _, err := io.Copy(io.Discard, in); err != nil {
			return nil, cutOff(err)
		}
		read = append(read, ManifestFile{h.Name, h.Size, hex.EncodeToString(sum.Sum(nil))})
	}
}

func nextDescription(t *tar.Reader, name string, v any) error {
	h, err := t.Next()
	if err != nil {
		return cutOff(err)
	}
	if h.Name != name {
		return fmt.Errorf("%w: it begins with %q", ErrBackup, h.Name)
	}
	return readDescription(t, h, v)
}

func readDescription(t *tar.Reader, h *tar.Header, v any) error {
	if h.Size > maxDescription {
		return fmt.Errorf("%w: its %s has %d bytes; at most %d are allowed", ErrBackup, h.Name, h.Size, maxDescription)
	}
	raw, err := io.ReadAll(t)
	if err != nil {
		return cutOff(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%w: its %s cannot be read: %w", ErrBackup, h.Name, err)
	}
	return nil
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends before its manifest", ErrBackup)
	}
	return fmt.Errorf("%w: %w", ErrBackup, err)
}

// readManifest compares what came with what the manifest says, and sees to it that
// nothing comes after it.
func readManifest(t *tar.Reader, h *tar.Header, read []ManifestFile) (*Manifest, error) {
	var m Manifest
	if err := readDescription(t, h, &m); err != nil {
		return nil, err
	}
	if len(m.Files) != len(read) {
		return nil, fmt.Errorf("%w: its manifest names %d files, it holds %d", ErrBackup, len(m.Files), len(read))
	}
	found := map[string]bool{}
	for i, want := range m.Files {
		if got := read[i]; got != want {
			return nil, fmt.Errorf("%w: %s was changed: it has %d bytes and SHA-256 %s; the manifest says %s, %d and %s",
				ErrBackup, got.Name, got.Size, got.SHA256, want.Name, want.Size, want.SHA256)
		}
		if found[want.Name] {
			return nil, fmt.Errorf("%w: %s is in it twice", ErrBackup, want.Name)
		}
		found[want.Name] = true
	}
	if !found["control.db"] || !found["telemetry.db"] {
		return nil, fmt.Errorf("%w: it lacks control.db or telemetry.db", ErrBackup)
	}
	if _, err := t.Next(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows its manifest", ErrBackup)
	}
	return &m, nil
}
