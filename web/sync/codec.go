package sync

import (
	"fmt"

	syncv1 "buf.build/gen/go/open-feature/flagd/protocolbuffers/go/flagd/sync/v1"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// codec is gRPC's own, but for messages that an edition has encoded: gRPC encodes a message
// for each stream, and keeps that until the client takes it.
type codec struct {
	encoding.CodecV2

	s *Server
}

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if wire := c.s.encoded(v); wire != nil {
		return mem.BufferSlice{mem.SliceBuffer(wire)}, nil // Freeing it does nothing.
	}
	return c.CodecV2.Marshal(v) //nolint:wrapcheck // It is gRPC's own.
}

// encoded returns what a message of the latest edition is on the wire.
func (s *Server) encoded(v any) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.last; e != nil && (v == any(e.sync) || v == any(e.all)) {
		return e.wire
	}
	return nil
}

// encode makes the messages of an edition. They have one field, of one number.
func (e *edition) encode() error {
	text := string(e.flagd)
	e.sync, e.all = &syncv1.SyncFlagsResponse{FlagConfiguration: text}, &syncv1.FetchAllFlagsResponse{FlagConfiguration: text}
	var err error
	if e.wire, err = proto.Marshal(e.sync); err != nil {
		return fmt.Errorf("encode flags %s: %w", e.hash, err)
	}
	return nil
}
