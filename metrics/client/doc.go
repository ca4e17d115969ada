// Package client reports telemetry from a Go service to tidemark.
//
// A Client never makes its caller wait for the network: Send and the helpers only
// put an event into a buffer of bounded size, and a background sender delivers it
// in batches, again and again until the server has made it durable. Because every
// event has an id before it is first sent, sending twice does no harm. What does
// not fit into the buffer is counted and dropped, never silently: see Stats.
//
//	c, err := client.New(client.Options{URL: "http://tidemark:8080", Key: key, Service: "profile-api"})
//	if err != nil {
//		return err
//	}
//	defer func() { _ = c.Close(shutdownCtx) }()
//
//	w, err := c.Begin(ctx, client.WriteOptions{Feature: "profile-edit", Key: "user-7", Version: metrics.SeqVersion(42)})
//	… commit to the database …
//	err = w.Committed(ctx)
//	… publish, with w.Ref().Inject(message.Header), then …
//	err = w.Published(ctx)
//
// and in a consumer:
//
//	ref, err := client.Extract(message.Header)
//	… apply …
//	err = c.Applied(ctx, ref, client.At{Replica: "search"})
package client
