package decode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// MaxBody is how large a body may be after decompression, unless told otherwise.
const MaxBody = 20 << 20

// Bodies reads request bodies into buffers that it uses again. The zero value is
// ready; it is safe for concurrent use.
type Bodies struct {
	buffers sync.Pool // *Body
	gzips   sync.Pool // *gzip.Reader
	zstds   sync.Pool // *zstd.Decoder
}

// Body is the content of one request. Release gives its memory back, and with it
// all strings that alias it.
type Body struct {
	buf  bytes.Buffer
	home *Bodies
}

// Bytes is the content; it is valid until Release.
func (b *Body) Bytes() []byte { return b.buf.Bytes() }

// Release lets the memory be used for another request. The Body is of no use after.
func (b *Body) Release() {
	if b == nil || b.home == nil {
		return
	}
	home := b.home
	b.home = nil
	if b.buf.Cap() <= keptBuffer {
		home.buffers.Put(b)
	}
}

// keptBuffer is the largest buffer that is kept for the next request.
const keptBuffer = 4 << 20

// zstdWindow bounds what one zstd stream may make a decoder remember. 8 MiB is
// what the format asks every decoder to support.
const zstdWindow = 8 << 20

// Read reads r, which is encoded as the header Content-Encoding says: identity
// (or nothing), gzip or zstd. It stops as soon as more than limit bytes came out,
// with ErrTooLarge. ErrEncoding means another encoding; ErrBody one that is
// damaged. Any other error is of r itself.
func (p *Bodies) Read(r io.Reader, contentEncoding string, limit int64) (*Body, error) {
	body, _ := p.buffers.Get().(*Body)
	if body == nil {
		body = &Body{}
	}
	body.home = p
	body.buf.Reset()
	if err := p.fill(&body.buf, r, contentEncoding, limit); err != nil {
		body.Release()
		return nil, err
	}
	return body, nil
}

func (p *Bodies) fill(buf *bytes.Buffer, r io.Reader, contentEncoding string, limit int64) error {
	switch strings.ToLower(strings.TrimSpace(contentEncoding)) {
	case "", "identity":
		return copyUpTo(buf, r, limit)
	case "gzip", "x-gzip":
		return p.fillGzip(buf, r, limit)
	case "zstd":
		return p.fillZstd(buf, r, limit)
	}
	return fmt.Errorf("%w: %s; send gzip, zstd or no encoding", ErrEncoding, shorten(contentEncoding))
}

// copyUpTo copies at most limit bytes and fails when there are more.
func copyUpTo(buf *bytes.Buffer, r io.Reader, limit int64) error {
	n, err := buf.ReadFrom(io.LimitReader(r, limit+1))
	if n > limit {
		return fmt.Errorf("%w: it is more than %d bytes after decompression", ErrTooLarge, limit)
	}
	if err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	return nil
}

func (p *Bodies) fillGzip(buf *bytes.Buffer, r io.Reader, limit int64) error {
	z, _ := p.gzips.Get().(*gzip.Reader)
	if z == nil {
		z = new(gzip.Reader)
	}
	defer p.gzips.Put(z)
	src := &source{r: r}
	if err := z.Reset(src); err != nil {
		return src.damaged("gzip", err)
	}
	return src.damaged("gzip", copyUpTo(buf, z, limit))
}

func (p *Bodies) fillZstd(buf *bytes.Buffer, r io.Reader, limit int64) error {
	z, _ := p.zstds.Get().(*zstd.Decoder)
	if z == nil {
		var err error
		z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return fmt.Errorf("start zstd: %w", err)
		}
	}
	defer p.zstds.Put(z)
	src := &source{r: r}
	if err := z.Reset(src); err != nil {
		return src.damaged("zstd", err)
	}
	err := src.damaged("zstd", copyUpTo(buf, z, limit))
	if resetErr := z.Reset(nil); resetErr != nil && err == nil {
		return fmt.Errorf("reset zstd: %w", resetErr)
	}
	return err
}

// source remembers the error of the connection, so that it can be told from one
// of the decompressor.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err //nolint:wrapcheck // a reader passes io.EOF on as it is
}

// damaged turns an error of a decompressor into ErrBody, and leaves those of the
// connection and of the limit.
func (s *source) damaged(encoding string, err error) error {
	switch {
	case err == nil, errors.Is(err, ErrTooLarge):
		return err
	case s.err != nil:
		return fmt.Errorf("read body: %w", s.err)
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("%w: its zstd window is more than %d bytes", ErrTooLarge, zstdWindow)
	}
	return fmt.Errorf("%w: it is not valid %s: %w", ErrBody, encoding, err)
}
