package alert

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"tidemark/flags"
	"tidemark/flags/sqlite"
)

// clock is a time that tests move by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func openStore(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func loopback(t *testing.T) []netip.Prefix {
	t.Helper()
	p, err := ParsePrefixes([]string{"127.0.0.0/8", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// receiver keeps the requests that it got and answers with what is next.
type receiver struct {
	mu      sync.Mutex
	bodies  []string
	headers []http.Header
	answers []int
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies, r.headers = append(r.bodies, string(body)), append(r.headers, req.Header.Clone())
	status := http.StatusNoContent
	if len(r.answers) > 0 {
		status, r.answers = r.answers[0], r.answers[1:]
	}
	if status == http.StatusFound {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(status)
}

func burning(holds bool) flags.AlertCondition {
	return flags.AlertCondition{
		AlertKey: flags.AlertKey{Guarantee: "g", Objective: "o", Rule: "burn-fast"}, Feature: "f", Owner: "team", Version: "1.0.0",
		Severity: flags.SeverityPage, Known: true, Holds: holds, Summary: "It burns.",
		Numbers: flags.AlertNumbers{Threshold: 14.4, Long: 20, Short: 30, LongWindow: time.Hour, ShortWindow: 5 * time.Minute, Good: 9, Eligible: 10, BudgetLeft: 0.5},
	}
}

func TestAnAlertReachesItsWebhookSignedAndRetried(t *testing.T) {
	t.Parallel()
	c, rec := newClock(), &receiver{answers: []int{500, 302}}
	srv := httptest.NewServer(rec)
	t.Cleanup(srv.Close)
	path := filepath.Join(t.TempDir(), "control.db")
	store := openStore(t, path)
	hooks := NewHooks(HooksOptions{Store: store, Now: c.now, Allow: loopback(t)})
	hook, err := hooks.Create(t.Context(), Input{Name: "ops", URL: srv.URL, Enabled: true}, "user:a", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := NewMachine(Options{Alerts: store, Webhooks: store}).Step(t.Context(), c.now(), []flags.AlertCondition{burning(true)}); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil { // nothing is lost by a restart
		t.Fatal(err)
	}
	store = openStore(t, path)
	s := NewSender(SenderOptions{Store: store, Now: c.now, Allow: loopback(t), Jitter: func() float64 { return 1 }})
	for i, wait := range []time.Duration{0, 9 * time.Second, time.Second, 39 * time.Second, time.Second, time.Hour} {
		c.add(wait)
		if err := s.Send(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := []int{1, 1, 2, 2, 3, 3}[i]; len(rec.bodies) != want {
			t.Fatalf("after step %d: %d requests, want %d", i, len(rec.bodies), want)
		}
	}
	wh, err := standardwebhooks.NewWebhook(hook.Secret)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rec.bodies {
		if err := wh.VerifyIgnoringTimestamp([]byte(rec.bodies[i]), rec.headers[i]); err != nil {
			t.Errorf("request %d: %v", i, err)
		}
		if rec.headers[i].Get(HeaderID) != rec.headers[0].Get(HeaderID) || rec.bodies[i] != rec.bodies[0] {
			t.Errorf("request %d is another message", i)
		}
	}
	if got := rec.headers[2].Get(HeaderTimestamp); got != strconv.FormatInt(c.now().Add(-time.Hour).Unix(), 10) {
		t.Errorf("timestamp %s", got)
	}
	var m struct {
		Type string
		Data Body
	}
	if err := json.Unmarshal([]byte(rec.bodies[0]), &m); err != nil || m.Type != TypeFiring || m.Data.Feature != "f" || m.Data.Fired.Long != 20 {
		t.Errorf("%s: %v", rec.bodies[0], err)
	}
	log, err := NewHooks(HooksOptions{Store: store, Now: c.now}).Deliveries(t.Context(), hook.ID, 10)
	if err != nil || len(log) != 1 || log[0].State != flags.DeliveryDelivered || log[0].Attempts != 3 || log[0].Status != 204 {
		t.Errorf("log %+v, %v", log, err)
	}
}

func TestADeliveryIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer, attempts int
	}{"gone": {http.StatusGone, 1}, "never well": {http.StatusInternalServerError, MaxAttempts}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clk := newClock()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.answer) }))
			t.Cleanup(srv.Close)
			store := openStore(t, filepath.Join(t.TempDir(), "control.db"))
			hooks := NewHooks(HooksOptions{Store: store, Now: clk.now, Allow: loopback(t)})
			hook, err := hooks.Create(t.Context(), Input{Name: "ops", URL: srv.URL, Enabled: true}, "user:a", "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := hooks.Test(t.Context(), hook.ID); err != nil {
				t.Fatal(err)
			}
			s := NewSender(SenderOptions{Store: store, Now: clk.now, Allow: loopback(t)})
			for range MaxAttempts + 3 {
				if err := s.Send(t.Context()); err != nil {
					t.Fatal(err)
				}
				clk.add(maxWait * 2)
			}
			log, err := hooks.Deliveries(t.Context(), hook.ID, 10)
			if err != nil || len(log) != 1 || log[0].State != flags.DeliveryFailed || log[0].Attempts != c.attempts || log[0].Status != c.answer {
				t.Errorf("log %+v, %v", log, err)
			}
			if log[0].Error == "" || log[0].Type != TypeTest {
				t.Errorf("log %+v", log[0])
			}
		})
	}
}

// TestWhatAReceiverSaysIsCutShort: its status line, or what it sends in place of one, may
// be as long as headers.
func TestWhatAReceiverSaysIsCutShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("\u202e<é>", 5000)
	secret, err := NewSecret()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		answer, begins string
		status         int
	}{
		"a status line":      {"HTTP/1.1 500 No\x1b[31m" + long + "\r\nContent-Length: 0\r\n\r\n", "answered 500 No\ufffd[31m\ufffd<é>", 500},
		"no status line":     {"SSH-2.0-x" + long + "\r\n\r\n", "no answer: ", 0},
		"a broken header":    {"HTTP/1.1 200 OK\r\n" + long + "\r\n\r\n", "no answer: ", 0},
		"a body that breaks": {"HTTP/1.1 200 Yes" + long + "\r\nTransfer-Encoding: chunked\r\n\r\n" + long, "answer 200 Yes", 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					_, _ = io.WriteString(conn, c.answer)
				}
			}()
			status, _, err := newCourier(loopback(t)).post(t.Context(), &flags.Webhook{URL: "http://" + l.Addr().String() + "/hook", Secret: secret}, "id", time.Unix(1, 0), []byte("{}"))
			if err == nil || status != c.status || !strings.HasPrefix(err.Error(), c.begins) || len(err.Error()) > 1500 || strings.ContainsAny(err.Error(), "\x1b\u202e\n") {
				t.Errorf("%d, %d bytes: %.300v", status, len(err.Error()), err)
			}
		})
	}
}

func TestInsideAddressesAreRefusedWhenDialled(t *testing.T) {
	t.Parallel()
	c := newClock()
	hit := false
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hit = true }))
	t.Cleanup(srv.Close)
	store := openStore(t, filepath.Join(t.TempDir(), "control.db"))
	hooks := NewHooks(HooksOptions{Store: store, Now: c.now})
	// A name passes when it is stored; where it leads is only known when dialled.
	url := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	hook, err := hooks.Create(t.Context(), Input{Name: "ops", URL: url, Enabled: true}, "user:a", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hooks.Test(t.Context(), hook.ID); err != nil {
		t.Fatal(err)
	}
	if err := NewSender(SenderOptions{Store: store, Now: c.now}).Send(t.Context()); err != nil {
		t.Fatal(err)
	}
	log, err := hooks.Deliveries(t.Context(), hook.ID, 1)
	if err != nil || hit || log[0].Status != 0 || !strings.Contains(log[0].Error, "an address that is not public") || strings.Contains(log[0].Error, "127.") {
		t.Errorf("hit %v, log %+v, %v", hit, log, err)
	}
}

// TestWhyThereIsNoAnswerTellsNothingInside: neither who looks names up here, nor by which
// address this machine goes out.
func TestWhyThereIsNoAnswerTellsNothingInside(t *testing.T) {
	t.Parallel()
	here, there := &net.TCPAddr{IP: net.IPv4(10, 9, 8, 7), Port: 4711}, &net.TCPAddr{IP: net.IPv4(93, 184, 216, 34), Port: 443}
	asked := &net.OpError{Op: "read", Net: "udp", Source: here, Addr: &net.UDPAddr{IP: net.IPv4(10, 255, 255, 53), Port: 53}, Err: errors.New("i/o timeout")}
	for want, err := range map[string]error{
		"there is no such name":  &net.DNSError{Err: "no such host", Name: "hook.example", Server: "10.255.255.53:53", IsNotFound: true},
		"did not answer in time": &net.DNSError{Err: asked.Error(), Name: "hook.example", Server: "10.255.255.53:53", IsTimeout: true},
		"cannot be asked":        &net.DNSError{Err: "server misbehaving", Name: "hook.example", Server: "10.255.255.53:53"},
		"connection reset":       &net.OpError{Op: "read", Net: "tcp", Source: here, Addr: there, Err: errors.New("connection reset by peer")},
	} {
		err = &url.Error{Op: "Post", URL: "https://hook.example/", Err: &net.OpError{Op: "dial", Net: "tcp", Source: here, Err: err}}
		if got := noAnswer(err).Error(); !strings.Contains(got, want) || strings.Contains(got, "10.") {
			t.Errorf("%q: %s", want, got)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	allow, err := ParsePrefixes([]string{"10.1.0.0/16", "fd00::1"})
	if err != nil {
		t.Fatal(err)
	}
	g := &guard{allow, special()}
	for addr, want := range map[string]bool{
		"93.184.216.34": true, "2606:2800:220:1::1": true, "10.1.2.3": true, "fd00::1": true, "::ffff:10.1.2.3": true,
		"10.2.0.1": false, "127.0.0.1": false, "::1": false, "::ffff:127.0.0.1": false, "169.254.169.254": false,
		"192.168.0.1": false, "172.16.0.1": false, "100.64.0.1": false, "0.0.0.0": false, "::": false, "fe80::1%eth0": false,
		"fd00::2": false, "224.0.0.1": false, "ff02::1": false, "255.255.255.255": false, "64:ff9b::7f00:1": false,
		"2002:7f00:1::": false, "198.18.0.1": false, "240.0.0.1": false, "192.0.0.8": false,
		"::127.0.0.1": false, "::a00:1": false, "3fff::1": false, "3fff:fff::1": false, "5f00::1": false, "192.88.99.1": false,
	} {
		err := g.check(netip.MustParseAddr(addr))
		if (err == nil) != want || (err != nil && !errors.Is(err, flags.ErrRefused)) {
			t.Errorf("%s: %v", addr, err)
		}
	}
	for _, bad := range []string{"", "ftp://x", "http://", "https://u:p@x/", "https://x/#f", "http://127.0.0.1/", "http://[::1]:80/", "x", "http://10.2.0.1/"} {
		if err := CheckURL(bad, allow); err == nil {
			t.Errorf("%q is allowed", bad)
		}
	}
	for _, good := range []string{"https://example.com/hook?x=1", "http://10.1.0.1:8080/"} {
		if err := CheckURL(good, allow); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	if _, err := ParsePrefixes([]string{"10.0.0.0/99"}); !errors.Is(err, flags.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestSignAgreesWithTheStandard(t *testing.T) {
	t.Parallel()
	secret, err := NewSecret()
	if err != nil {
		t.Fatal(err)
	}
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1700000000, 0)
	want, err := wh.Sign("msg_1", at, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Sign(secret, "msg_1", at, []byte("{}")); err != nil || got != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	for _, bad := range []string{"", "whsec_", "whsec_AAAA", strings.TrimPrefix(secret, "whsec_"), "whsec_*"} {
		if _, err := Sign(bad, "m", at, nil); !errors.Is(err, flags.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestHooksAreCheckedAndKeepTheirSecret(t *testing.T) {
	t.Parallel()
	c := newClock()
	store := openStore(t, filepath.Join(t.TempDir(), "control.db"))
	hooks := NewHooks(HooksOptions{Store: store, Now: c.now})
	ctx := context.Background()
	good := Input{Name: "ops", URL: "https://example.com/", Severities: []flags.Severity{flags.SeverityPage}, Enabled: true}
	w, err := hooks.Create(ctx, good, "user:a", "on call")
	if err != nil || !strings.HasPrefix(w.Secret, "whsec_") {
		t.Fatalf("%+v, %v", w, err)
	}
	if _, err := hooks.Create(ctx, good, "user:a", ""); !errors.Is(err, flags.ErrRefused) {
		t.Errorf("the same name again: %v", err)
	}
	for _, in := range []Input{{Name: "", URL: good.URL}, {Name: "x", URL: "http://127.0.0.1"}, {Name: "x", URL: good.URL, Severities: []flags.Severity{"loud"}}} {
		if _, err := hooks.Create(ctx, in, "user:a", ""); err == nil {
			t.Errorf("%+v is allowed", in)
		}
	}
	good.Enabled = false
	if got, err := hooks.Update(ctx, w.ID, good, "user:b", ""); err != nil || got.Secret != "" || got.Enabled {
		t.Errorf("%+v, %v", got, err)
	}
	if stored, err := store.Webhook(ctx, w.ID); err != nil || stored.Secret != w.Secret || stored.Wants(flags.SeverityPage) {
		t.Errorf("%+v, %v", stored, err)
	}
	if list, err := hooks.List(ctx); err != nil || len(list) != 1 || list[0].Secret != "" {
		t.Errorf("%+v, %v", list, err)
	}
	if err := hooks.Delete(ctx, w.ID, "user:a", "gone"); err != nil {
		t.Error(err)
	}
	if err := hooks.Delete(ctx, w.ID, "user:a", "gone"); !errors.Is(err, flags.ErrNotFound) {
		t.Error(err)
	}
	if _, err := hooks.Test(ctx, w.ID); !errors.Is(err, flags.ErrNotFound) {
		t.Error(err)
	}
	if _, err := store.Verify(ctx); err != nil {
		t.Error(err)
	}
}
