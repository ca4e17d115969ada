// Package clients lets real OpenFeature clients ask a real tidemark: the web SDK in
// Chromium, the server SDK in Node, and the Go SDK. They only know what their own
// documentation says.
package clients
