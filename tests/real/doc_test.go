// Package real watches systems that were not written for tidemark: a PostgreSQL
// primary with a streaming standby, a Redis read cache, and a program between them
// that only knows OpenTelemetry; and an OpenID provider where people sign in. Its tests skip, and say so, where the servers are
// not installed. They wait for real time to pass, because lag is what they measure.
package real
