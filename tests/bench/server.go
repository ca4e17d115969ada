package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"tidemark/flags/access"
	control "tidemark/flags/sqlite"
	"tidemark/metrics/ingest/decode"
	"tidemark/tests/tidemark"
)

// newKey makes an API key that sends and reads.
func newKey(ctx context.Context, dir string) (token string, err error) {
	return newScopedKey(ctx, dir, "publish:*", "consume:*", "read")
}

// newScopedKey makes an API key in a folder that no server uses yet.
func newScopedKey(ctx context.Context, dir string, scopes ...string) (token string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	store, err := control.Open(ctx, filepath.Join(dir, control.FileName))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	now := time.Now()
	k, token, err := access.NewKey(access.NewKeyOptions{Name: "bench-" + strconv.FormatInt(now.UnixNano(), 36), Scopes: scopes}, now)
	if err != nil {
		return "", err
	}
	return token, store.CreateKey(ctx, k, "cli:bench", "Benchmark.")
}

// start runs the program on a folder and returns what to load.
func start(ctx context.Context, bin, dir string) (*tidemark.Server, target, error) {
	key, err := newKey(ctx, dir)
	if err != nil {
		return nil, target{}, err
	}
	s, err := tidemark.Run(bin, nil, "serve", "--data", dir, "--log-level", "warn")
	if err != nil {
		return nil, target{}, err
	}
	return s, target{url: s.URL, key: key}, nil
}

// onDisk is how many bytes the telemetry in a folder takes.
func onDisk(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(d.Name(), "telemetry") {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a journal that went away meanwhile
		}
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}

// usage is what a process has used.
type usage struct {
	cpu  time.Duration
	peak int64 // bytes of resident memory
}

// used reads the usage of a process from /proc.
func used(pid int) (usage, error) {
	var u usage
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	// The second field is the program's name in parentheses and may hold spaces.
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(f) < 13 {
		return u, fmt.Errorf("/proc/%d/stat: %d fields", pid, len(f))
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	u.cpu = time.Duration(user+system) * tick
	status, err3 := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.SplitSeq(string(status), "\n") {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			u.peak = kib << 10
		}
	}
	return u, errors.Join(err1, err2, err3)
}

// startBaseline runs this program again as a server that only decodes.
func startBaseline() (stop func(), t target, pid int, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, t, 0, err
	}
	return startSelf(self, "baseline")
}

// startSelf runs this program in one of its other roles.
func startSelf(self, role string, env ...string) (stop func(), t target, pid int, err error) {
	cmd := exec.Command(self, role) //nolint:noctx // ended by stop
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, t, 0, fmt.Errorf("start the baseline: %w", err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed: the error says no more
	}
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return nil, t, 0, fmt.Errorf("start the baseline: %w", err)
	}
	return stop, target{url: strings.TrimSpace(url), key: "none"}, cmd.Process.Pid, nil
}

// serveBaseline reads and decodes requests as tidemark does, and forgets them.
func serveBaseline() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it lives as long as the process
	if err != nil {
		return err
	}
	fmt.Println("http://" + ln.Addr().String())
	var batches sync.Pool
	handle := func(w http.ResponseWriter, r *http.Request) {
		h, _ := batches.Get().(*scratch)
		if h == nil {
			h = &scratch{}
		}
		defer batches.Put(h)
		if err := h.read(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = fmt.Fprintf(w, `{"accepted":%d,"duplicates":0,"rejected":[]}`, len(h.batch.Events))
	}
	return http.Serve(ln, http.HandlerFunc(handle)) //nolint:gosec // loopback, for minutes
}

// scratch is the memory of one request.
type scratch struct {
	body  bytes.Buffer
	batch decode.Batch
}

func (h *scratch) read(r *http.Request) error {
	h.body.Reset()
	h.batch.Reset()
	if _, err := io.Copy(&h.body, r.Body); err != nil {
		return err
	}
	if strings.HasPrefix(r.URL.Path, "/v1/traces") {
		return decode.Traces(h.body.Bytes(), false, &decode.Options{}, &h.batch)
	}
	return decode.Native(h.body.Bytes(), r.Header.Get("Content-Type"), &h.batch)
}
