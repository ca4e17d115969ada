// Package provider is the OpenFeature provider of tidemark for Go services. It holds
// the flags in memory and evaluates them in process, the way the server does, pins and
// rollouts included; the server streams each change. While the server is away the
// provider goes on with what it has, and says that it is stale.
//
//	p, err := provider.New(provider.Options{URL: "http://127.0.0.1:8080", Key: "tmk_…"})
//	err = openfeature.SetProviderAndWait(p)
package provider
