// Kubernetes' own answers to device selectors.
//
// Reads {"driver": ..., "devices": {name: Device}, "cases": [[device, expression], ...]} and writes one
// [outcome, what was said] per case; the outcome is true, false, error (fails on this device) or invalid
// (does not compile). The compiler and its features are those of kube-scheduler with default feature gates.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	resource "k8s.io/api/resource/v1"
	"k8s.io/dynamic-resource-allocation/cel"
)

type table struct {
	Driver  string                     `json:"driver"`
	Devices map[string]resource.Device `json:"devices"`
	Cases   [][2]string                `json:"cases"`
}

func main() {
	var asked table
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		fmt.Fprintln(os.Stderr, "cannot read the cases:", err)
		os.Exit(1)
	}
	cache := cel.NewCache(10, cel.Features{EnableConsumableCapacity: true})
	answers := make([][2]string, 0, len(asked.Cases))
	for _, c := range asked.Cases {
		outcome, said := answer(cache, asked.Driver, asked.Devices[c[0]], c[1])
		said, _, _ = strings.Cut(said, "\n")
		answers = append(answers, [2]string{outcome, said})
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		os.Exit(1)
	}
}

func answer(cache *cel.Cache, driver string, device resource.Device, expression string) (string, string) {
	compiled := cache.GetOrCompile(expression)
	if compiled.Error != nil {
		return "invalid", compiled.Error.Error()
	}
	matches, _, err := compiled.DeviceMatches(context.Background(), cel.Device{
		Driver:                   driver,
		AllowMultipleAllocations: device.AllowMultipleAllocations,
		Attributes:               device.Attributes,
		Capacity:                 device.Capacity,
	})
	if err != nil {
		return "error", cel.EnhanceRuntimeError(err).Error()
	}
	return fmt.Sprint(matches), ""
}
