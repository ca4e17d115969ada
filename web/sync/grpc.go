package sync

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	syncv1grpc "buf.build/gen/go/open-feature/flagd/grpc/go/flagd/sync/v1/syncv1grpc"
	syncv1 "buf.build/gen/go/open-feature/flagd/protocolbuffers/go/flagd/sync/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"tidemark/flags/access"
	"tidemark/web/auth"
)

// Bounds of gRPC, those of HTTP where it has them. flagd and the in-process providers
// ping without a stream; who pings more often than minPing is disconnected.
const (
	minPing       = 30 * time.Second
	maxConcurrent = 1000     // streams of one connection
	maxRequest    = 64 << 10 // bytes; requests hold a name and a selector
	maxHeader     = 64 << 10 // bytes; gRPC's own is 16 MiB for each call
	handshake     = 5 * time.Second
	maxIdle       = 2 * time.Minute // without a call
)

// GRPC returns a server of flagd.sync.v1.FlagSyncService. It asks for a key with the
// scope sync in the metadata "authorization: Bearer …" or "x-api-key".
func (s *Server) GRPC(secure *tls.Config) *grpc.Server {
	o := []grpc.ServerOption{
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
		grpc.MaxConcurrentStreams(maxConcurrent),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: maxIdle}),
		grpc.ConnectionTimeout(handshake),
		grpc.MaxRecvMsgSize(maxRequest),
		grpc.MaxHeaderListSize(maxHeader),
		grpc.ForceServerCodecV2(codec{CodecV2: encoding.GetCodecV2(proto.Name), s: s}),
	}
	if secure != nil {
		o = append(o, grpc.Creds(credentials.NewTLS(secure)))
	}
	g := grpc.NewServer(o...)
	g.RegisterService(s.guarded(syncv1grpc.FlagSyncService_ServiceDesc), &flagSync{s: s})
	return g
}

// guarded returns a service that asks who calls before anything of the request is read.
// Interceptors ask after a call's request has come: one that never comes would be waited
// for, with the headers held, whoever calls. So calls are made streams, which they are on
// the wire.
func (s *Server) guarded(d grpc.ServiceDesc) *grpc.ServiceDesc {
	streams := slices.Clone(d.Streams)
	for _, m := range d.Methods {
		streams = append(streams, grpc.StreamDesc{StreamName: m.MethodName, Handler: func(srv any, ss grpc.ServerStream) error {
			out, err := m.Handler(srv, ss.Context(), ss.RecvMsg, nil)
			if err != nil {
				return err
			}
			return ss.SendMsg(out)
		}})
	}
	for i := range streams {
		streams[i].Handler = s.guard(streams[i].Handler)
	}
	d.Methods, d.Streams = nil, streams
	return &d
}

// guard lets in who may, to one of the places of streams.
func (s *Server) guard(next grpc.StreamHandler) grpc.StreamHandler {
	return func(srv any, ss grpc.ServerStream) error {
		who, err := s.identify(ss.Context())
		if err != nil {
			return err
		}
		done, err := s.o.Place(who)
		if err != nil {
			return status.Error(codes.ResourceExhausted, err.Error())
		}
		defer done()
		return next(srv, ss)
	}
}

// identify returns who calls, when they may.
func (s *Server) identify(ctx context.Context) (*access.Identity, error) {
	token := tokenOf(ctx)
	if token == "" {
		return nil, status.Error(codes.Unauthenticated, "send an API key with the scope sync in the metadata authorization: Bearer, or x-api-key")
	}
	id, err := s.o.Keys.Identify(ctx, token)
	if errors.Is(err, access.ErrUnauthenticated) {
		if wait := s.o.Failures.Take(addressOf(ctx)); wait > 0 {
			return nil, status.Error(codes.ResourceExhausted, "too many attempts with a wrong key from this address")
		}
		return nil, status.Error(codes.Unauthenticated, err.Error())
	}
	if err != nil {
		return nil, status.Error(codes.Unavailable, "the keys cannot be read")
	}
	if !id.May(access.Sync) {
		return nil, status.Errorf(codes.PermissionDenied, "this needs the permission %q", access.Sync)
	}
	return id, nil
}

func tokenOf(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	for _, h := range md.Get("authorization") {
		if scheme, token, ok := strings.Cut(h, " "); ok && strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(token)
		}
	}
	for _, h := range md.Get("x-api-key") {
		return h
	}
	return ""
}

func addressOf(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	host, _, err := net.SplitHostPort(p.Addr.String())
	if err != nil {
		return p.Addr.String()
	}
	return auth.SourceOf(host)
}

// flagSync is the service.
type flagSync struct {
	syncv1grpc.UnimplementedFlagSyncServiceServer

	s *Server
}

// SyncFlags sends the flags, and again at each change. There is one set of flags, so
// the selector selects nothing.
func (f *flagSync) SyncFlags(_ *syncv1.SyncFlagsRequest, out syncv1grpc.FlagSyncService_SyncFlagsServer) error {
	ctx, sent := out.Context(), ""
	again := time.NewTicker(minPing)
	defer again.Stop()
	for {
		changed := f.s.o.Flags.Changed()
		e, err := f.s.edition()
		if err != nil {
			return status.Error(codes.Unavailable, "the flags cannot be written out")
		}
		if e.hash != sent {
			if err := out.Send(e.sync); err != nil {
				return err //nolint:wrapcheck // It is gRPC's own.
			}
			sent = e.hash
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.s.o.Done:
			return status.Error(codes.Unavailable, "the server is stopping")
		case <-changed:
		case <-again.C: // A key that was revoked ends the stream.
		}
		if _, err := f.s.identify(ctx); err != nil {
			return err
		}
	}
}

// FetchAllFlags returns the flags once.
func (f *flagSync) FetchAllFlags(context.Context, *syncv1.FetchAllFlagsRequest) (*syncv1.FetchAllFlagsResponse, error) {
	e, err := f.s.edition()
	if err != nil {
		return nil, status.Error(codes.Unavailable, "the flags cannot be written out")
	}
	return e.all, nil
}

// GetMetadata returns the metadata of the flag set. flagd asks for it when it begins.
//
//nolint:staticcheck // The specification deprecates it; providers in use still call it.
func (f *flagSync) GetMetadata(context.Context, *syncv1.GetMetadataRequest) (*syncv1.GetMetadataResponse, error) {
	e, err := f.s.edition()
	if err != nil {
		return nil, status.Error(codes.Unavailable, "the flags cannot be written out")
	}
	m, err := structpb.NewStruct(e.metadata)
	if err != nil {
		return nil, status.Error(codes.Internal, fmt.Sprintf("metadata of the flag set: %v", err))
	}
	return &syncv1.GetMetadataResponse{Metadata: m}, nil
}
