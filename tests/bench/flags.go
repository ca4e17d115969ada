package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4" //nolint:depguard // the baseline is the framework and nothing else

	"tidemark/tests/tidemark"
)

// What is asked for: one flag with a rule and a split, and as many as a page has.
const (
	bulkFlags   = 50
	flagConns   = 50
	subscribers = 1000
	oneCore     = "GOMAXPROCS=1"
	markUnit    = "user-0000000"
)

// A question and an answer of the size of real ones.
const (
	askContext = `{"context":{"targetingKey":"` + markUnit + `","plan":"gold","country":"se","version":"2.4.1"}}`
	splitFlag  = `{"state":"ENABLED","variants":{"eventual":{"model":"eventual"},"causal":{"model":"causal"}},"defaultVariant":"eventual",
		"targeting":{"if":[{"in":[{"var":"country"},["se","no","fi"]]},{"fractional":[["causal",50],["eventual",50]]},"eventual"]}}`
	constantAnswer = `{"key":"flag-0","value":{"model":"causal"},"variant":"causal","reason":"SPLIT","metadata":{"version":"1"}}`
)

// measureFlags compares evaluation over OFREP with a bare handler of the same
// framework that parses the same body, each on one core, in turns.
func measureFlags(ctx context.Context, o options, dir string) error {
	s, web, control, err := startFlags(ctx, o, dir)
	if err != nil {
		return err
	}
	defer s.Kill()
	bare, barePID, stop, err := startBare()
	if err != nil {
		return err
	}
	defer stop()
	defer apart(s.PID(), barePID)()
	fmt.Println("| question | server | requests/s | of bare | p50 | p99 | CPU/request | memory added |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	for _, path := range []string{"/ofrep/v1/evaluate/flags/flag-0", "/ofrep/v1/evaluate/flags"} {
		ours, theirs := asked{url: s.URL, pid: s.PID()}, asked{url: bare, pid: barePID}
		for i := range 2 * rounds {
			server := &theirs
			if i%2 == 1 {
				server = &ours
			}
			if err := server.ask(ctx, path, web, o.duration/rounds); err != nil {
				return err
			}
		}
		name := "one flag"
		if strings.HasSuffix(path, "flags") {
			name = strconv.Itoa(bulkFlags) + " flags"
		}
		theirs.print(name, "bare handler", 0)
		ours.print(name, "tidemark", theirs.perSecond())
	}
	return measurePush(ctx, s, web, control)
}

// rounds is how often the two take turns, so that both meet the same machine.
const rounds = 4

// startFlags starts a server with the flags; web may evaluate, control change them.
func startFlags(ctx context.Context, o options, dir string) (s *tidemark.Server, web, control string, err error) {
	if control, err = newScopedKey(ctx, dir, "control", "read"); err != nil {
		return nil, "", "", err
	}
	if web, err = newScopedKey(ctx, dir, "evaluate"); err != nil {
		return nil, "", "", err
	}
	const much = "1000000000"
	s, err = tidemark.Run(o.bin, []string{oneCore}, "serve", "--data", dir, "--log-level", "warn", "--key-rate", much, "--address-rate", much)
	if err != nil {
		return nil, "", "", err
	}
	for i := range bulkFlags {
		if err := putFlag(ctx, s.URL, control, i, 0, splitFlag); err != nil {
			s.Kill()
			return nil, "", "", err
		}
	}
	return s, web, control, nil
}

func putFlag(ctx context.Context, url, key string, n, base int, definition string) error {
	body := fmt.Sprintf(`{"reason":"bench","base":%d,"definition":%s}`, base, definition)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url+"/api/v1/flags/flag-"+strconv.Itoa(n), strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("put flag %d: %s: %s", n, resp.Status, text)
	}
	return nil
}

// startBare runs this program again as the bare handler.
func startBare() (url string, pid int, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", 0, nil, err
	}
	stop, t, pid, err := startSelf(self, "bare", oneCore)
	return t.url, pid, stop, err
}

// apart gives the servers the first core, of which only one is busy at a time, and the
// load the second, until the returned function is called: on one core a server's p99
// would be how long it waits until the load has had its turn. Where that cannot be
// done it says so, and they share.
func apart(servers ...int) (share func()) {
	cores := runtime.GOMAXPROCS(1)
	share = func() { runtime.GOMAXPROCS(cores) }
	for i, pid := range append(servers, os.Getpid()) {
		core := "0"
		if i == len(servers) {
			core = "1"
		}
		if said, err := exec.Command("taskset", "-a", "-c", "-p", core, strconv.Itoa(pid)).CombinedOutput(); err != nil { //nolint:noctx,gosec // it ends at once; numbers of our own
			fmt.Fprintf(os.Stderr, "servers and load share the cores: taskset: %v %s\n", err, said)
			return share
		}
	}
	return share
}

// serveBare parses the body that OFREP's clients send and answers a constant.
func serveBare() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it lives as long as the process
	if err != nil {
		return err
	}
	fmt.Println("http://" + ln.Addr().String())
	one := []byte(constantAnswer)
	many := []byte(`{"flags":[` + strings.TrimSuffix(strings.Repeat(constantAnswer+",", bulkFlags), ",") + `],"metadata":{}}`)
	e := echo.New()
	answer := func(constant []byte) echo.HandlerFunc {
		return func(c echo.Context) error {
			var in struct {
				Context map[string]any `json:"context"`
			}
			if err := json.NewDecoder(c.Request().Body).Decode(&in); err != nil {
				return err
			}
			return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, constant)
		}
	}
	e.POST("/ofrep/v1/evaluate/flags", answer(many))
	e.POST("/ofrep/v1/evaluate/flags/:key", answer(one))
	return http.Serve(ln, e) //nolint:gosec // loopback, for minutes
}

// asked is what the questions to one server came to.
type asked struct {
	url string
	pid int

	latencies []time.Duration // one for each request
	elapsed   time.Duration
	cpu       time.Duration
	added     int64 // to the server's peak of memory, bytes
}

func (a *asked) ask(ctx context.Context, path, key string, d time.Duration) error {
	before, err := used(a.pid)
	if err != nil {
		return err
	}
	latencies, elapsed, err := askFor(ctx, a.url, path, key, d)
	if err != nil {
		return err
	}
	after, err := used(a.pid)
	a.latencies = append(a.latencies, latencies...)
	a.elapsed += elapsed
	a.cpu += after.cpu - before.cpu
	a.added += after.peak - before.peak
	return err
}

func (a *asked) perSecond() float64 { return float64(len(a.latencies)) / a.elapsed.Seconds() }

// print writes a line of the table; of the bare handler, bare is 0.
func (a *asked) print(question, server string, bare float64) {
	slices.Sort(a.latencies)
	ratio, memory := "", ""
	if bare > 0 {
		ratio = fmt.Sprintf("%.2f", a.perSecond()/bare)
		memory = fmt.Sprintf("%.0f MB", float64(a.added)/1e6)
	}
	cpu := float64(a.cpu.Microseconds()) / float64(len(a.latencies))
	fmt.Printf("| %s | %s | %.0f | %s | %v | %v | %.1f µs | %s |\n", question, server, a.perSecond(), ratio,
		quantile(a.latencies, 0.5).Round(10*time.Microsecond), quantile(a.latencies, 0.99).Round(10*time.Microsecond), cpu, memory)
}

// measurePush times how soon a change has reached every one of many streams.
func measurePush(ctx context.Context, s *tidemark.Server, web, control string) error {
	before, err := used(s.PID())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: subscribers}}
	uri, err := streamURI(ctx, client, s.URL, web)
	if err != nil {
		return err
	}
	var ready, told sync.WaitGroup
	errs := make([]error, subscribers)
	ready.Add(subscribers)
	for i := range subscribers {
		told.Go(func() { errs[i] = listen(ctx, client, s.URL+uri, sync.OnceFunc(ready.Done)) })
	}
	ready.Wait()
	began := time.Now()
	if err := putFlag(ctx, s.URL, control, 0, 1, strings.Replace(splitFlag, `"defaultVariant":"eventual"`, `"defaultVariant":"causal"`, 1)); err != nil {
		return err
	}
	told.Wait()
	took := time.Since(began)
	after, err := used(s.PID())
	if err != nil {
		return err
	}
	fmt.Printf("\nA change had reached all of %d streams %v after it was asked for; they added %.0f MB at most.\n",
		subscribers, took.Round(time.Millisecond), float64(after.peak-before.peak)/1e6)
	return errors.Join(errs...)
}

// streamURI asks for all flags and returns where changes are told.
func streamURI(ctx context.Context, client *http.Client, url, key string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/ofrep/v1/evaluate/flags", strings.NewReader(askContext))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct {
		EventStreams []struct {
			Endpoint struct {
				RequestURI string `json:"requestUri"`
			} `json:"endpoint"`
		} `json:"eventStreams"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", err
	}
	if len(answer.EventStreams) == 0 {
		return "", errors.New("the bulk answer names no stream")
	}
	return answer.EventStreams[0].Endpoint.RequestURI, nil
}

// listen opens a stream, says that it listens, and returns at the first change after.
func listen(ctx context.Context, client *http.Client, uri string, ready func()) error {
	defer ready()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("stream: %s", resp.Status)
	}
	ready()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "refetchEvaluation") {
			return nil
		}
	}
	return fmt.Errorf("the stream ended: %w", errors.Join(lines.Err(), io.ErrUnexpectedEOF))
}

func flagsDir(dir string) string { return filepath.Join(dir, "flags") }
