//go:build programs

// Package programs names the upstream command that is built, so that go.mod and go.sum are complete.
package programs

import _ "github.com/opencontainers/runc"
