// Package e2e runs the command against servers that others wrote: versitygw,
// which checks signatures, gofakes3, fake-gcs-server and Azurite. It is a
// module of its own, as its tests install what the project itself never needs.
package e2e
