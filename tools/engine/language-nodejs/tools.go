//go:build tools

// Package tools pins the command that the Node.js language host is built from.
package tools

import _ "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs"
