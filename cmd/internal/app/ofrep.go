package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"

	"google.golang.org/grpc"

	"tidemark/flags/access"
	"tidemark/web/auth"
	"tidemark/web/ofrep"
	flagsync "tidemark/web/sync"
)

// streamSecret is the name of the secret that signs the addresses of OFREP's streams.
const streamSecret = "ofrep-streams"

// openEvaluation makes what answers those who ask for flags from elsewhere.
func (a *App) openEvaluation(ctx context.Context) error {
	stream, err := a.control.Secret(ctx, streamSecret, pinsSecretBytes, a.o.Now())
	if err != nil {
		return err
	}
	pins, err := a.control.Secret(ctx, pinsSecret, pinsSecretBytes, a.o.Now())
	if err != nil {
		return err
	}
	a.ofrep = ofrep.New(ofrep.Options{
		Flags: a.flags, Now: a.o.Now, Secret: stream, Origins: a.o.Origins, Identity: a.keys.IdentityOf, Done: a.hub.Done(),
	})
	a.sync = flagsync.New(flagsync.Options{
		Flags: a.flags, Now: a.o.Now, Keys: a.keys, Failures: auth.NewLimiter(5, 50, 20_000, a.o.Now), PinKey: pins, Done: a.hub.Done(),
		Place: func(who *access.Identity) (func(), error) { return a.server.PlaceStream(who) },
	})
	return nil
}

// evaluationRoutes is the URL map of evaluation from elsewhere.
func (a *App) evaluationRoutes() []auth.Route { return append(a.ofrep.Routes(), a.sync.Routes()...) }

// listenSync begins to serve flagd's gRPC sync, where it is wanted.
func (a *App) listenSync(ctx context.Context) error {
	if a.o.SyncListen == "" {
		return nil
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", a.o.SyncListen)
	if err != nil {
		return fmt.Errorf("sync-listen: %w", err)
	}
	a.syncAddr = ln.Addr()
	var secure *tls.Config
	if a.certificate != nil {
		secure = a.certificate.Config()
	}
	g := a.sync.GRPC(secure)
	serve := func(ln net.Listener) error {
		if err := g.Serve(ln); !errors.Is(err, grpc.ErrServerStopped) {
			return err
		}
		return nil
	}
	a.serve("sync server", serve, ln, func(context.Context) error {
		a.hub.Close() // Its streams end, and with them the calls that are waited for.
		g.GracefulStop()
		return nil
	})
	return nil
}

// SyncAddr is where flagd's gRPC sync listens; nil when it does not.
func (a *App) SyncAddr() net.Addr { return a.syncAddr }

// checkOrigins refuses what is no origin: it would silently let nobody in.
func checkOrigins(origins []string) error {
	for _, o := range origins {
		if o == "*" {
			continue
		}
		u, err := url.Parse(o)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Scheme+"://"+u.Host != o {
			return fmt.Errorf("cors-origin: %q: want https://HOST, http://HOST:PORT or *", o)
		}
	}
	return nil
}
