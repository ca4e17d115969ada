package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"tidemark/cmd/internal/app"
	"tidemark/flags/access"
	control "tidemark/flags/sqlite"
	"tidemark/metrics"
	"tidemark/metrics/client"
)

// newServer starts a server on a new folder, with a key that may do what services
// and readers may.
func newServer(t *testing.T) (url, key string) {
	t.Helper()
	dir := t.TempDir()
	store, err := control.Open(t.Context(), filepath.Join(dir, control.FileName))
	if err != nil {
		t.Fatal(err)
	}
	k, key, err := access.NewKey(access.NewKeyOptions{Name: "svc", Scopes: []string{"publish:*", "consume:*", "read"}}, time.Now())
	if err := errors.Join(err, store.CreateKey(t.Context(), k, "cli:test", "Test."), store.Close()); err != nil {
		t.Fatal(err)
	}
	a, err := app.New(app.Options{Data: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return "http://" + a.Addr().String(), key
}

// A service that uses the Go client tells a write's story to a real server, with
// the offset of its clock measured.
func TestClientTellsAWrite(t *testing.T) {
	t.Parallel()
	url, key := newServer(t)
	behind := func() time.Time { return time.Now().Add(-time.Hour) } // the service's clock is an hour behind
	c, err := client.New(client.Options{URL: url, Key: key, Service: "profile-api", Region: "eu", Now: behind})
	if err != nil {
		t.Fatal(err)
	}
	for !c.Stats().OffsetKnown {
		if err := t.Context().Err(); err != nil {
			t.Fatalf("the clock was not measured: %v", c.Stats().LastError)
		}
		runtime.Gosched()
	}
	w, err := c.Begin(t.Context(), client.WriteOptions{Feature: "profile-edit", Key: "user-7", Version: metrics.SeqVersion(1), Expect: []string{"search"}})
	message := http.Header{}
	err = errors.Join(err, w.Committed(t.Context()), w.Ref().Inject(message), w.Published(t.Context()))
	ref, xerr := client.Extract(message)
	if err := errors.Join(err, xerr, c.Applied(t.Context(), ref, client.At{Replica: "search"}), c.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if s := c.Stats(); s.Sent != 4 || s.Rejected != 0 || (s.Offset-time.Hour).Abs() > s.OffsetError+time.Second {
		t.Fatalf("stats %+v; want 4 sent, an hour of offset", s)
	}
	var story struct {
		WriteID string `json:"write_id"`
	}
	text := getJSON(t, url+"/api/v1/writes/"+ref.WriteID, key, &story)
	if story.WriteID != ref.WriteID {
		t.Errorf("story %s", text)
	}
}

func getJSON(t *testing.T, url, key string, into any) (text []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	if err = errors.Join(err, json.Unmarshal(text, into)); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d, %v: %s", url, resp.StatusCode, err, text)
	}
	return slices.Clip(text)
}
