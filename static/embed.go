// Package static holds what browsers fetch: stylesheets, scripts and pictures. They
// are embedded in the program and served under names that contain a hash of their
// content, so that a browser may keep them for ever.
//
// Third-party code is not part of the repository: it is copied into vendor/ when
// the program is built (see vendor.json). A program built without it works: pages
// are served without the scripts that need it, and say so.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"mime"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// vendor* matches vendor.json in every checkout, and the folder where it was built.
//
//go:embed css js img vendor*
var files embed.FS

// Prefix is the path under which Handler expects to be mounted.
const Prefix = "/static/"

// file is one embedded file as it is served.
type file struct {
	name string // css/app.css
	hash string
	mime string
	body []byte
	gzip func() []byte // nil when it is not worth it
}

// url is the address that changes with the content.
func (f *file) url() string {
	ext := path.Ext(f.name)
	return Prefix + strings.TrimSuffix(f.name, ext) + "." + f.hash + ext
}

// set is every file, by name and by hashed address. It never changes once built.
type set struct {
	byName  map[string]*file
	byURL   map[string]*file
	missing []string
}

// The set is a pure function of what was embedded, so building it once is enough.
var assets = sync.OnceValue(func() *set { return build(files) })

// URL returns the address of a file: "/static/css/app.1f2e3d4c5b6a.css" for
// "css/app.css". For a file that is not there it returns the plain address, which
// answers 404.
func URL(name string) string {
	if f := assets().byName[name]; f != nil {
		return f.url()
	}
	return Prefix + name
}

// Has reports whether a file was embedded.
func Has(name string) bool { return assets().byName[name] != nil }

// Missing lists the third-party files that the program was built without, sorted.
// None is an empty slice.
func Missing() []string { return slices.Clone(assets().missing) }

func build(fsys fs.FS) *set {
	s := &set{byName: map[string]*file{}, byURL: map[string]*file{}, missing: []string{}}
	b := bundler{fs: fsys, done: map[string][]byte{}, set: s}
	// WalkDir over an embedded tree cannot fail; an unreadable file is left out and
	// answers 404.
	_ = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && served(name) {
			b.add(name)
		}
		return nil
	})
	s.missing = missing(fsys, s)
	return s
}

// served leaves out what is only needed to build.
func served(name string) bool { return strings.Contains(name, "/") && !strings.HasSuffix(name, ".md") }

func missing(fsys fs.FS, s *set) []string {
	wanted := map[string]string{}
	raw, err := fs.ReadFile(fsys, "vendor.json")
	if err != nil || json.Unmarshal(raw, &wanted) != nil {
		return []string{"vendor.json"}
	}
	out := []string{}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if s.byName[name] == nil {
			out = append(out, name)
		}
	}
	return out
}

// bundler gives each file its final content: imports of a stylesheet are put in its
// place, those of a script name the hashed address.
type bundler struct {
	fs   fs.FS
	done map[string][]byte
	set  *set
}

var (
	cssImport = regexp.MustCompile(`(?m)^@import "(\./[^"]+)";\n?`)
	jsImport  = regexp.MustCompile(`(from |import |import\()"(\.{1,2}/[^"]+)"`)
)

func (b *bundler) add(name string) *file {
	if f := b.set.byName[name]; f != nil {
		return f
	}
	body, err := fs.ReadFile(b.fs, name)
	if err != nil {
		return nil
	}
	body = b.resolve(name, body)
	sum := sha256.Sum256(body)
	f := &file{name: name, hash: hex.EncodeToString(sum[:6]), mime: contentType(name), body: body}
	if compressible(f.mime) && len(body) > 512 {
		f.gzip = sync.OnceValue(func() []byte { return pack(body) })
	}
	b.set.byName[name] = f
	b.set.byURL[f.url()] = f
	return f
}

func (b *bundler) resolve(name string, body []byte) []byte {
	dir := path.Dir(name)
	switch path.Ext(name) {
	case ".css":
		return cssImport.ReplaceAllFunc(body, func(m []byte) []byte {
			part := path.Join(dir, string(cssImport.FindSubmatch(m)[1]))
			raw, err := fs.ReadFile(b.fs, part)
			if err != nil {
				return fmt.Appendf(nil, "/* %s is missing */\n", part)
			}
			return b.resolve(part, raw)
		})
	case ".js":
		return jsImport.ReplaceAllFunc(body, func(m []byte) []byte {
			sub := jsImport.FindSubmatch(m)
			if f := b.add(path.Join(dir, string(sub[2]))); f != nil {
				return fmt.Appendf(nil, "%s%q", sub[1], f.url())
			}
			return m
		})
	}
	return body
}

// The types that matter are said here, because those of the system may be wrong or
// not there at all.
func contentType(name string) string {
	switch ext := path.Ext(name); ext {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".json":
		return "application/json"
	case ".txt":
		return "text/plain; charset=utf-8"
	default:
		if t := mime.TypeByExtension(ext); t != "" {
			return t
		}
		return "application/octet-stream"
	}
}

func compressible(t string) bool {
	return strings.HasPrefix(t, "text/") || t == "image/svg+xml" || t == "application/json"
}

func pack(body []byte) []byte {
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		return body
	}
	// Writing to a buffer cannot fail.
	_, _ = w.Write(body)
	_ = w.Close()
	return buf.Bytes()
}
