package decode

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
)

func gzipped(t testing.TB, p []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(p); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zstded(t testing.TB, p []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(p, nil)
}

func TestBodies(t *testing.T) {
	t.Parallel()
	plain := []byte(strings.Repeat("tidemark ", 100))
	bomb := make([]byte, 8<<20)
	lost := errors.New("connection lost")
	var bodies Bodies
	for _, x := range []struct {
		name, encoding string
		r              io.Reader
		limit          int64
		want           error
	}{
		{"plain", "", bytes.NewReader(plain), 900, nil},
		{"identity", "identity", bytes.NewReader(plain), MaxBody, nil},
		{"gzip", "gzip", bytes.NewReader(gzipped(t, plain)), 900, nil},
		{"gzip in capitals", " GZIP", bytes.NewReader(gzipped(t, plain)), 900, nil},
		{"zstd", "zstd", bytes.NewReader(zstded(t, plain)), 900, nil},
		{"plain, too large", "", bytes.NewReader(plain), 899, ErrTooLarge},
		{"gzip bomb", "gzip", bytes.NewReader(gzipped(t, bomb)), 1000, ErrTooLarge},
		{"zstd bomb", "zstd", bytes.NewReader(zstded(t, bomb)), 1000, ErrTooLarge},
		{"not gzip", "gzip", bytes.NewReader(plain), 1000, ErrBody},
		{"not zstd", "zstd", bytes.NewReader(plain), 1000, ErrBody},
		{"cut gzip", "gzip", bytes.NewReader(gzipped(t, plain)[:20]), 1000, ErrBody},
		{"cut zstd", "zstd", bytes.NewReader(zstded(t, plain)[:20]), 1000, ErrBody},
		{"empty gzip", "gzip", strings.NewReader(""), 1000, ErrBody},
		{"br", "br", bytes.NewReader(plain), 1000, ErrEncoding},
		{"two", "gzip, gzip", bytes.NewReader(plain), 1000, ErrEncoding},
		{"lost", "", iotest.ErrReader(lost), 1000, lost},
		{"lost gzip", "gzip", io.MultiReader(bytes.NewReader(gzipped(t, plain)[:20]), iotest.ErrReader(lost)), 1000, lost},
		{"lost zstd", "zstd", io.MultiReader(bytes.NewReader(zstded(t, plain)[:20]), iotest.ErrReader(lost)), 1000, lost},
	} {
		body, err := bodies.Read(x.r, x.encoding, x.limit)
		if !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %v", x.name, err, x.want)
		}
		if x.want == nil && (body == nil || !bytes.Equal(body.Bytes(), plain)) {
			t.Errorf("%s: another content", x.name)
		}
		body.Release()
	}
}

func FuzzBody(f *testing.F) {
	f.Add(gzipped(f, []byte("x")), "gzip")
	f.Add(zstded(f, []byte("x")), "zstd")
	f.Fuzz(func(t *testing.T, p []byte, encoding string) {
		const limit = 1 << 16
		var bodies Bodies
		body, err := bodies.Read(bytes.NewReader(p), encoding, limit)
		if err == nil && len(body.Bytes()) > limit {
			t.Fatalf("%d bytes", len(body.Bytes()))
		}
		body.Release()
	})
}
