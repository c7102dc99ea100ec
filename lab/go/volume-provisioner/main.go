// Command volume-provisioner gives every claim of one provisioner's name a folder of its own on the lab's one node,
// and takes folder and PersistentVolume away when the claim is gone.
//
// It runs beside the kubelet, in the same mount namespace, so it makes and removes the folders itself: no helper pods.
package main

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// folders provisions volumes as folders below root, on the node of that name.
type folders struct {
	root *os.Root
	node string
}

// Provision makes the folder of a volume. It may be called again for a volume whose folder is already there.
func (f folders) Provision(
	_ context.Context, options controller.ProvisionOptions,
) (*core.PersistentVolume, controller.ProvisioningState, error) {
	claim := options.PVC.Spec
	if claim.Selector != nil || claim.DataSource != nil || claim.DataSourceRef != nil {
		// An empty folder would not be what was asked for.
		return nil, controller.ProvisioningFinished, errors.New("volumes with a selector or a source are not provided")
	}
	if err := f.root.Mkdir(options.PVName, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, controller.ProvisioningFinished, err
	}
	// Pods run as any user, and not each says a group to hand the folder to. Whoever isn't root on the machine still
	// can't reach it: the lab's data is root's.
	if err := f.root.Chmod(options.PVName, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	onNode := core.NodeSelectorRequirement{
		Key: core.LabelHostname, Operator: core.NodeSelectorOpIn, Values: []string{f.node},
	}
	return &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: options.PVName},
		Spec: core.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			AccessModes:                   claim.AccessModes,
			Capacity:                      core.ResourceList{core.ResourceStorage: claim.Resources.Requests[core.ResourceStorage]},
			// Not hostPath, whose group the kubelet leaves alone where a pod asks for one by fsGroup.
			PersistentVolumeSource: core.PersistentVolumeSource{
				Local: &core.LocalVolumeSource{Path: filepath.Join(f.root.Name(), options.PVName)},
			},
			NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{
				NodeSelectorTerms: []core.NodeSelectorTerm{{MatchExpressions: []core.NodeSelectorRequirement{onNode}}},
			}},
		},
	}, controller.ProvisioningFinished, nil
}

// Delete removes a volume's folder. It goes by the volume's name, not by its path, so that nothing outside root is
// removed, whatever an object says.
func (f folders) Delete(_ context.Context, volume *core.PersistentVolume) error {
	return f.root.RemoveAll(volume.Name)
}

func run() error {
	kubeconfig := flag.String("kubeconfig", "", "path of the access to the API server")
	name := flag.String("provisioner", "", "the name by which StorageClasses ask for this provisioner")
	node := flag.String("node", "", "the node whose folders these are")
	folder := flag.String("folder", "", "where the volumes' folders go; made where it is missing")
	flag.Parse()

	if err := os.MkdirAll(*folder, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(*folder)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, end := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer end()
	controller.NewProvisionController(
		ctx, client, *name, folders{root, *node},
		// There is one of it.
		controller.LeaderElection(false),
		// A PersistentVolume that somebody deletes waits for its folder to go too.
		controller.AddFinalizer(true),
	).Run(ctx)
	return nil
}

func main() {
	if err := run(); err != nil {
		klog.ErrorS(err, "The provisioner ended")
		os.Exit(1)
	}
}
