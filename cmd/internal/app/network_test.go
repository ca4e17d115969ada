package app_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tidemark/cmd/internal/app"
	"tidemark/flags/access"
	"tidemark/web"
)

// writeCertificate writes a certificate for 127.0.0.1 with that serial number, and
// returns the pool that trusts it.
func writeCertificate(t *testing.T, dir string, serial int64) (f app.TLSFiles, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "tidemark"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	check(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	f = app.TLSFiles{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	check(t, os.WriteFile(f.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	check(t, os.WriteFile(f.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
	cert, err := x509.ParseCertificate(der)
	check(t, err)
	pool = x509.NewCertPool()
	pool.AddCert(cert)
	return f, pool
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serial dials the server and returns the serial number of its certificate.
func serial(t *testing.T, d *door, pool *x509.CertPool, c *tls.Config) (int64, error) {
	t.Helper()
	if c == nil {
		c = &tls.Config{}
	}
	c.RootCAs = pool
	conn, err := (&tls.Dialer{Config: c}).DialContext(t.Context(), "tcp", d.app.Addr().String())
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	tc, _ := conn.(*tls.Conn)
	return tc.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
}

func TestHTTPSAndItsCookiesAndHeaders(t *testing.T) {
	t.Parallel()
	files, pool := writeCertificate(t, t.TempDir(), 1)
	d := openWith(t, app.Options{TLS: files})
	if !strings.HasPrefix(d.app.URL(), "https://127.0.0.1:") {
		t.Errorf("URL %s", d.app.URL())
	}
	for version, good := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		_, err := serial(t, d, pool, &tls.Config{MinVersion: version, MaxVersion: version}) //nolint:gosec // Old versions are what must fail.
		if (err == nil) != good {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	for _, suite := range []uint16{
		tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA, tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	} {
		weak := &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}} //nolint:gosec // As above.
		if _, err := serial(t, d, pool, weak); err == nil {
			t.Errorf("a weak cipher is taken: %s", tls.CipherSuiteName(suite))
		}
	}

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	link, err := d.app.SignInLink(t.Context())
	check(t, err)
	_, token, _ := strings.Cut(link, "token=")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.app.URL()+"/signin", strings.NewReader("token="+token))
	check(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	check(t, err)
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.Header.Get("Strict-Transport-Security") != "max-age=31536000" {
		t.Errorf("%s, headers %v", resp.Proto, resp.Header)
	}
	for _, c := range resp.Cookies() {
		if c.Name != "__Host-tidemark_session" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("cookie %+v", c)
		}
	}
	if len(resp.Cookies()) != 1 {
		t.Errorf("cookies %v", resp.Cookies())
	}
}

func TestACertificateIsRenewedWithoutARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files, first := writeCertificate(t, dir, 1)
	var ahead atomic.Int64
	d := openWith(t, app.Options{TLS: files, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	want := func(pool *x509.CertPool, n int64) {
		t.Helper()
		if got, err := serial(t, d, pool, nil); err != nil || got != n {
			t.Errorf("certificate %d, %v; want %d", got, err, n)
		}
	}
	want(first, 1)
	_, second := writeCertificate(t, dir, 2)
	want(first, 1) // Not looked for yet.
	ahead.Add(int64(11 * time.Second))
	want(second, 2)

	// What cannot be used does not take the place of what can.
	check(t, os.WriteFile(files.Cert, []byte("not a certificate"), 0o600))
	ahead.Add(int64(11 * time.Second))
	want(second, 2)
	if err := d.app.ReloadTLS(); err == nil {
		t.Error("reloading a broken file is no error")
	}
	check(t, os.Remove(files.Key))
	ahead.Add(int64(11 * time.Second))
	want(second, 2)

	_, third := writeCertificate(t, dir, 3)
	check(t, d.app.ReloadTLS()) // What SIGHUP does.
	want(third, 3)
}

func TestTLSSettingsThatCannotWork(t *testing.T) {
	t.Parallel()
	files, _ := writeCertificate(t, t.TempDir(), 1)
	for says, o := range map[string]app.Options{
		"want both or none":      {TLS: app.TLSFiles{Cert: files.Cert}},
		"want https":             {TLS: files, PublicURL: "http://tidemark.example"},
		"there is no such file":  {TLS: app.TLSFiles{Cert: files.Cert, Key: files.Key + "x"}},
		"failed to find any PEM": {TLS: app.TLSFiles{Cert: files.Cert, Key: os.DevNull}},
	} {
		o.Data, o.Listen = t.TempDir(), "127.0.0.1:0"
		a, err := app.New(o)
		if err == nil {
			if err = a.Start(t.Context()); err == nil {
				_ = a.Stop(t.Context())
			}
		}
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v; want %q", err, says)
		}
	}
}

// TestOnlyTrustedProxiesSayWhoAsks limits an address and looks whom that hits.
func TestOnlyTrustedProxiesSayWhoAsks(t *testing.T) {
	t.Parallel()
	ask := func(d *door, from, forwarded string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", http.NoBody)
		r.RemoteAddr = from
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
			r.Header.Set("X-Real-Ip", forwarded)
		}
		return d.serve(r).Code
	}
	limits := web.Limits{AddressRate: 0.001, AddressBurst: 2}
	nobody := openWith(t, app.Options{Limits: limits})
	codes := []int{}
	for i := range 4 { // A new name each time helps nobody who is not trusted.
		codes = append(codes, ask(nobody, "192.0.2.1:1", fmt.Sprintf("203.0.113.%d", i)))
	}
	if fmt.Sprint(codes) != "[200 200 429 429]" {
		t.Errorf("without a proxy: %v", codes)
	}
	if got := ask(nobody, "192.0.2.2:1", ""); got != http.StatusOK {
		t.Errorf("another address: %d", got)
	}

	behind := openWith(t, app.Options{Limits: limits, Proxies: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}})
	codes = codes[:0]
	for i := range 4 {
		codes = append(codes, ask(behind, "10.1.2.3:1", fmt.Sprintf("203.0.113.%d", i)))
	}
	if fmt.Sprint(codes) != "[200 200 200 200]" {
		t.Errorf("four people behind the proxy: %v", codes)
	}
	codes = codes[:0]
	for i := range 4 { // The client writes the front of the list; the proxy adds the end.
		codes = append(codes, ask(behind, "10.1.2.3:1", fmt.Sprintf("198.51.100.%d, 203.0.113.77", i)))
	}
	if fmt.Sprint(codes) != "[200 200 429 429]" {
		t.Errorf("one person who writes a list of their own: %v", codes)
	}
}

// raw sends bytes and returns what comes back until the server closes the connection.
func raw(t *testing.T, d *door, send func(io.Writer)) string {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", d.app.Addr().String())
	check(t, err)
	defer conn.Close()
	check(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	go send(conn)
	got, err := io.ReadAll(conn)
	if err != nil && !isReset(err) {
		t.Fatalf("the server did not close the connection: %v", err)
	}
	return string(got)
}

// isReset: the server may close before it has read everything.
func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

func TestHeadersHaveBounds(t *testing.T) {
	t.Parallel()
	d := openWith(t, app.Options{Limits: web.Limits{ReadHeader: 100 * time.Millisecond, ReadBody: 100 * time.Millisecond, Idle: 100 * time.Millisecond, MaxHeaderBytes: 8 << 10}})
	if got := raw(t, d, func(w io.Writer) {
		fmt.Fprintf(w, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n\r\n", strings.Repeat("a", 32<<10))
	}); !strings.HasPrefix(got, "HTTP/1.1 431") {
		t.Errorf("headers of 32 KiB: %.60q", got)
	}
	if got := raw(t, d, func(w io.Writer) { fmt.Fprint(w, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ") }); got != "" && !strings.HasPrefix(got, "HTTP/1.1 4") {
		t.Errorf("headers that do not end: %.60q", got)
	}
	if got := raw(t, d, func(w io.Writer) { fmt.Fprint(w, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") }); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("a connection that is idle after its request: %.60q", got)
	}
	if got := raw(t, d, func(w io.Writer) {
		fmt.Fprint(w, "POST /signin HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ntoken=")
	}); strings.HasPrefix(got, "HTTP/1.1 2") || strings.HasPrefix(got, "HTTP/1.1 303") {
		t.Errorf("a body that does not come: %.60q", got)
	}
	// Two lengths, or a length and chunks, are what smuggling is made of.
	for _, headers := range []string{"Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 5\r\nTransfer-Encoding: chunked, identity\r\n"} {
		got := raw(t, d, func(w io.Writer) { fmt.Fprintf(w, "POST /signin HTTP/1.1\r\nHost: x\r\n%s\r\nhello", headers) })
		if r, err := http.ReadResponse(bufio.NewReader(strings.NewReader(got)), nil); err != nil || r.StatusCode < 400 {
			t.Errorf("%q: %.60q", headers, got)
		} else {
			r.Body.Close()
		}
	}
}

func TestFormsHaveABound(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	admin := d.namedKey("admin", "admin")
	body := `{"name": "` + strings.Repeat("a", 2<<20) + `"}`
	if w := d.post(admin, "/api/v1/users", body); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("2 MiB of JSON: %d", w.Code)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/signin", bytes.NewReader(append([]byte("name=root&password="), bytes.Repeat([]byte("a"), 2<<20)...)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if w := d.serve(r); w.Code < 400 {
		t.Errorf("2 MiB of password: %d", w.Code)
	}
}

// TestOtherSitesCannotAct sends what a browser would for a form on another site.
func TestOtherSitesCannotAct(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	for _, route := range d.app.Server().Routes() {
		if route.Method == http.MethodGet || route.Method == http.MethodHead || route.Method == http.MethodOptions {
			continue
		}
		path := strings.NewReplacer(":feature", "cart", ":kind", "Route", ":name", "x", ":id", "x", ":n", "0").Replace(route.Path)
		for name, headers := range map[string][2]string{"fetch metadata": {"Sec-Fetch-Site", "cross-site"}, "origin": {"Origin", "https://evil.example"}, "sandbox": {"Origin", "null"}} {
			r := httptest.NewRequestWithContext(t.Context(), route.Method, path, strings.NewReader("{}"))
			r.Header.Set(headers[0], headers[1])
			for n, v := range root.cookies {
				r.AddCookie(&http.Cookie{Name: n, Value: v})
			}
			if w := d.serve(r); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "from another site") {
				t.Errorf("%s: %s %s: %d %.80s", name, route.Method, route.Path, w.Code, w.Body)
			}
		}
	}
	if !signedIn(root) {
		t.Error("another site ended the session")
	}
}

// TestPagesWithoutHTTPSAreNotOurs sends what an old browser, which does not say itself
// where a request comes from, would for a form of a page.
func TestPagesWithoutHTTPSAreNotOurs(t *testing.T) {
	t.Parallel()
	for public, origins := range map[string]map[string]int{
		"https://tidemark.example": {"https://tidemark.example": http.StatusForbidden, "http://tidemark.example": 0, "https://evil.example": 0, "null": 0},
		"http://tidemark.example":  {"http://tidemark.example": http.StatusForbidden, "https://tidemark.example": 0},
		"":                         {"http://tidemark.example": http.StatusForbidden, "https://tidemark.example": http.StatusForbidden},
	} {
		d := openWith(t, app.Options{PublicURL: public, PasswordCost: access.PasswordCost{Memory: 64, Passes: 1, Lanes: 1}})
		for origin, want := range origins {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/signin", strings.NewReader("name=x&password=y"))
			r.Host = "tidemark.example"
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", origin)
			w := d.serve(r)
			foreign := strings.Contains(w.Body.String(), "from another site")
			if foreign != (want == 0) || w.Code != http.StatusForbidden {
				t.Errorf("%q, origin %s: %d %.300s", public, origin, w.Code, w.Body)
			}
		}
	}
}

// TestNoGetChangesAnything follows every address as an administrator and looks at the
// audit log before and after.
func TestNoGetChangesAnything(t *testing.T) {
	t.Parallel()
	d := openQuick(t)
	root := d.root()
	size := func() string {
		w := d.get(d.keyOnce("audit", "control"), "/api/v1/audit/head")
		return w.Body.String()
	}
	before := size()
	for _, route := range d.app.Server().Routes() {
		if route.Method != http.MethodGet {
			continue
		}
		path := strings.NewReplacer(":feature", "cart", ":kind", "Route", ":name", "root", ":id", "x", ":n", "0", "*", "x", ":verb", "start").Replace(route.Path)
		root.get(path)
	}
	if after := size(); after != before {
		t.Errorf("the log was %s and is %s", before, after)
	}
	if !signedIn(root) {
		t.Error("a GET ended the session")
	}
}

// keyOnce makes a key at its first call.
func (d *door) keyOnce(name string, scopes ...string) string {
	d.t.Helper()
	if d.once == "" {
		d.once = d.namedKey(name, scopes...)
	}
	return d.once
}
