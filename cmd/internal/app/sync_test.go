package app_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	syncv1grpc "buf.build/gen/go/open-feature/flagd/grpc/go/flagd/sync/v1/syncv1grpc"
	syncv1 "buf.build/gen/go/open-feature/flagd/protocolbuffers/go/flagd/sync/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"tidemark/cmd/internal/app"
	"tidemark/flags/eval"
	"tidemark/web"
)

// TestFlagdSyncs: flagd's own protocol, over gRPC and over HTTP, gives a set that
// compiles as flagd's, tells of each change, and asks for a key with the scope sync.
func TestFlagdSyncs(t *testing.T) {
	t.Parallel()
	d := openIn(t, t.TempDir(), app.Options{SyncListen: "127.0.0.1:0"})
	operator, services, web := d.namedKey("operator", "control", "read"), d.namedKey("services", "sync"), d.namedKey("web", "evaluate")
	d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", cartFlag, http.StatusCreated, nil)

	conn, err := grpc.NewClient(d.app.SyncAddr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := syncv1grpc.NewFlagSyncServiceClient(conn)
	with := func(key string) context.Context {
		return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+key)
	}
	if _, err := c.FetchAllFlags(t.Context(), &syncv1.FetchAllFlagsRequest{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("without a key: %v; want Unauthenticated", err)
	}
	if _, err := c.FetchAllFlags(with(web), &syncv1.FetchAllFlagsRequest{}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("with a key for evaluation: %v; want PermissionDenied", err)
	}
	all, err := c.FetchAllFlags(with(services), &syncv1.FetchAllFlagsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got := defaultOf(t, all.GetFlagConfiguration()); got != "old" {
		t.Errorf("the default variant is %q", got)
	}

	stream, err := c.SyncFlags(with(services), &syncv1.SyncFlagsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	next := func() string {
		t.Helper()
		r, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return defaultOf(t, r.GetFlagConfiguration())
	}
	if got := next(); got != "old" {
		t.Errorf("first the default variant is %q", got)
	}
	d.do(operator, http.MethodPut, "/api/v1/flags/cart-model", strings.NewReplacer(`"defaultVariant":"old"`, `"defaultVariant":"new"`, `{"reason"`, `{"base":1,"reason"`).Replace(cartFlag), http.StatusOK, nil)
	if got := next(); got != "new" {
		t.Errorf("after the change the default variant is %q", got)
	}

	w := d.get(services, "/flagd/flags.json")
	if w.Code != http.StatusOK || defaultOf(t, w.Body.String()) != "new" || w.Header().Get("ETag") == "" {
		t.Errorf("over HTTP: %d, ETag %q, %s", w.Code, w.Header().Get("ETag"), w.Body)
	}
	if again := d.get(services, "/flagd/flags.json", "If-None-Match: "+w.Header().Get("ETag")); again.Code != http.StatusNotModified {
		t.Errorf("the same over HTTP: %d; want 304", again.Code)
	}
	if refused := d.get(web, "/flagd/flags.json"); refused.Code != http.StatusForbidden {
		t.Errorf("over HTTP with a key for evaluation: %d; want 403", refused.Code)
	}
}

// TestFlagdSyncsHaveTheirShare: streams over gRPC are counted with those over HTTP, and
// give their place back.
func TestFlagdSyncsHaveTheirShare(t *testing.T) {
	t.Parallel()
	d := openIn(t, t.TempDir(), app.Options{SyncListen: "127.0.0.1:0", Limits: web.Limits{OwnStreams: 2}})
	one, other := d.namedKey("one", "sync"), d.namedKey("other", "sync")
	conn, err := grpc.NewClient(d.app.SyncAddr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := syncv1grpc.NewFlagSyncServiceClient(conn)
	open := func(key string) (end func(), err error) {
		ctx, end := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+key))
		t.Cleanup(end)
		stream, err := c.SyncFlags(ctx, &syncv1.SyncFlagsRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		return end, err
	}
	end, err := open(one)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(one); err != nil {
		t.Fatal(err)
	}
	if _, err := open(one); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a third stream of two: %v; want ResourceExhausted", err)
	}
	if w := d.get(one, "/sync/v1/snapshots"); w.Code != http.StatusTooManyRequests {
		t.Errorf("a third stream of two, over HTTP: %d; want 429", w.Code)
	}
	if _, err := open(other); err != nil {
		t.Errorf("another key's stream: %v", err)
	}
	end()
	for late := time.Now().Add(10 * time.Second); ; { // The server hears of the end when it does.
		_, err := open(one)
		if err == nil {
			break
		}
		if status.Code(err) != codes.ResourceExhausted || time.Now().After(late) {
			t.Fatalf("after another ended: %v", err)
		}
	}
}

// TestFlagdSyncsAreHeldToTheRateOfTheirKey: a call over gRPC is a request of its key as
// one over HTTP is.
func TestFlagdSyncsAreHeldToTheRateOfTheirKey(t *testing.T) {
	t.Parallel()
	d := openIn(t, t.TempDir(), app.Options{SyncListen: "127.0.0.1:0"})
	var key struct{ Key string }
	d.do(d.namedKey("admin", "admin"), http.MethodPost, "/api/v1/keys", `{"name":"slow","scopes":["sync"],"rate":0.001}`, http.StatusCreated, &key)
	conn, err := grpc.NewClient(d.app.SyncAddr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c, ctx := syncv1grpc.NewFlagSyncServiceClient(conn), metadata.AppendToOutgoingContext(t.Context(), "x-api-key", key.Key)
	if _, err := c.FetchAllFlags(ctx, &syncv1.FetchAllFlagsRequest{}); err != nil {
		t.Fatalf("the first call: %v", err)
	}
	if _, err := c.FetchAllFlags(ctx, &syncv1.FetchAllFlagsRequest{}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("the second call in 1,000 s: %v; want ResourceExhausted", err)
	}
	if w := d.get(key.Key, "/flagd/flags.json"); w.Code != http.StatusTooManyRequests {
		t.Errorf("the third, over HTTP: %d; want 429", w.Code)
	}
}

// TestFlagdSyncsHoldNothingForStrangers: a call without a key is refused before its
// request has come, headers have a bound, and a call that waits for its request has a
// place as a stream has.
func TestFlagdSyncsHoldNothingForStrangers(t *testing.T) {
	t.Parallel()
	d := openIn(t, t.TempDir(), app.Options{SyncListen: "127.0.0.1:0", Limits: web.Limits{OwnStreams: 2}})
	key := "Bearer " + d.namedKey("services", "sync")
	conn, err := grpc.NewClient(d.app.SyncAddr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	begin := func(method string, headers ...string) grpc.ClientStream {
		t.Helper()
		ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), headers...), 10*time.Second)
		t.Cleanup(cancel)
		s, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/flagd.sync.v1.FlagSyncService/"+method)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, method := range []string{"FetchAllFlags", "GetMetadata", "SyncFlags"} {
		if err := begin(method).RecvMsg(&syncv1.FetchAllFlagsResponse{}); status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s without a key and a request: %v; want Unauthenticated", method, err)
		}
	}
	c := syncv1grpc.NewFlagSyncServiceClient(conn)
	large := metadata.AppendToOutgoingContext(t.Context(), "authorization", key, "x-pad", strings.Repeat("x", 70_000))
	if _, err := c.FetchAllFlags(large, &syncv1.FetchAllFlagsRequest{}); err == nil {
		t.Error("headers of 70 kB are taken")
	}
	first := make(chan error, 3)
	for range 3 {
		waiting := begin("FetchAllFlags", "authorization", key)
		go func() { first <- waiting.RecvMsg(&syncv1.FetchAllFlagsResponse{}) }()
	}
	if err := <-first; status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one call of three that wait, of which two may: %v; want ResourceExhausted", err)
	}
}

// defaultOf is the default variant of cart-model in a flagd file, which must compile.
func defaultOf(t *testing.T, file string) string {
	t.Helper()
	d, err := eval.ParseFlagd([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := eval.Compile(d); err != nil {
		t.Fatal(err)
	}
	var flag struct{ DefaultVariant string }
	if err := json.Unmarshal(d.Flags["cart-model"].Content, &flag); err != nil {
		t.Fatal(err)
	}
	return flag.DefaultVariant
}
