// Package kubebench pins the real kube-bench.
package kubebench

import _ "github.com/aquasecurity/kube-bench/cmd"
