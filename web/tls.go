package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Certificate is a certificate with its key in two PEM files. When the files change, new
// connections get the new certificate; those that are open go on. While what is in
// the files cannot be used, the last good one stays. It is safe for concurrent use.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	current atomic.Pointer[tls.Certificate]
	checked atomic.Int64 // Unix ns of the last look at the files
	mu      sync.Mutex   // held to look
	stamps  [2]stamp
}

// stamp is by which a changed file is known.
type stamp struct {
	modified time.Time
	size     int64
}

// lookEvery is how long a change of the files may go unnoticed.
const lookEvery = 10 * time.Second

// OpenCertificate reads the files; both must be good.
func OpenCertificate(certFile, keyFile string, log *slog.Logger, now func() time.Time) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log, now: now}
	if err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Reload reads the files now. On error the certificate stays as it was.
func (c *Certificate) Reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reload()
}

func (c *Certificate) reload() error {
	c.checked.Store(c.now().UnixNano())
	stamps, err := c.look()
	if err != nil {
		return err
	}
	c.stamps = stamps // Also when it cannot be used: it is tried again when it changes again.
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("tls-cert %s, tls-key %s: %w", c.certFile, c.keyFile, err)
	}
	if end := cert.Leaf.NotAfter; c.now().After(end) {
		c.log.Warn("the TLS certificate has expired", "file", c.certFile, "expired_at", end)
	}
	c.current.Store(&cert)
	return nil
}

func (c *Certificate) look() (stamps [2]stamp, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return stamps, fmt.Errorf("tls: %s: there is no such file", name)
		}
		if err != nil {
			return stamps, fmt.Errorf("tls: %w", err)
		}
		stamps[i] = stamp{info.ModTime(), info.Size()}
	}
	return stamps, nil
}

// Config is what a server listens with: TLS 1.2 at least, and of its ciphers those with
// forward secrecy that also authenticate (those of TLS 1.3 all do).
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, CipherSuites: []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}}
}

// get is asked at each handshake. It looks at the files now and then.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if now := c.now().UnixNano(); now-c.checked.Load() >= int64(lookEvery) && c.mu.TryLock() {
		c.refresh()
		c.mu.Unlock()
	}
	return c.current.Load(), nil
}

// refresh reads the files when they have changed. What is wrong is for the log: the
// last good certificate still serves.
func (c *Certificate) refresh() {
	c.checked.Store(c.now().UnixNano())
	stamps, err := c.look()
	if err == nil && stamps == c.stamps {
		return
	}
	if err == nil {
		err = c.reload()
	}
	ctx := context.Background()
	if err != nil {
		c.log.ErrorContext(ctx, "TLS certificate kept", "error", err)
		return
	}
	c.log.InfoContext(ctx, "TLS certificate changed", "file", c.certFile)
}
