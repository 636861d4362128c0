// Package kubeadm pins the real kubeadm, built from the Go module proxy for `kubeadm config validate`.
package kubeadm

import _ "k8s.io/kubernetes/cmd/kubeadm/app"
