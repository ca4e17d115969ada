package sync

import (
	"testing"

	syncv1 "buf.build/gen/go/open-feature/flagd/protocolbuffers/go/flagd/sync/v1"
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/protobuf/proto"
)

// TestManyStreamsHoldOneCopy: what all providers are sent is encoded once, and any other
// message as gRPC does.
func TestManyStreamsHoldOneCopy(t *testing.T) {
	t.Parallel()
	e := &edition{hash: "h", flagd: []byte(`{"flags":{}}`)}
	if err := e.encode(); err != nil {
		t.Fatal(err)
	}
	c := codec{CodecV2: encoding.GetCodecV2(grpcproto.Name), s: &Server{last: e}}
	for _, m := range []proto.Message{e.sync, e.all} {
		got, err := c.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || &got[0].ReadOnlyData()[0] != &e.wire[0] {
			t.Errorf("%T is encoded for each stream", m)
		}
		got.Free()
		got.Free()
		want, err := proto.Marshal(m)
		if err != nil || string(want) != string(got.Materialize()) {
			t.Errorf("%T is %q on the wire, want %q (%v)", m, got.Materialize(), want, err)
		}
	}
	other := &syncv1.SyncFlagsResponse{FlagConfiguration: "of before"}
	got, err := c.Marshal(other)
	want, _ := proto.Marshal(other)
	if err != nil || string(got.Materialize()) != string(want) {
		t.Errorf("another message is %q, want %q (%v)", got.Materialize(), want, err)
	}
	got.Free()
}
