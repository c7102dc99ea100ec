"""The node's configuration: certificates, files and the command line of every part of the cluster.

Everything here is deliberate where it differs from a usual cluster, and says why. The rest is Kubernetes' default.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from lab import users
from lab.cache import Entry, digest
from lab.certificates import Authority, key_pair
from lab.commands import output
from lab.images import PAUSE
from lab.paths import LAB, Paths
from lab.supervisor import PartSpec, Spec

NODE = "lab"
NODE_IP = "10.201.0.1"
NODE_NETWORK = f"{NODE_IP}/24"
GATEWAY = "10.201.0.254"
"""Nobody answers there. The default route exists so that addresses of Services are routable at all."""

POD_NETWORK = "10.202.0.0/24"
SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
DNS_SERVICE_IP = "10.96.0.10"
DNS_DOMAIN = "cluster.local"

STORAGE_CLASS = "lab"
"""The cluster's default StorageClass."""

PROVISIONER = "lab.local/volumes"
"""What a StorageClass names to get volumes from the part `volume-provisioner`."""

CNI_PLUGINS = Path("/usr/lib/cni")
"""Where Debian's package puts them."""

COVERED = ("/run/containerd", "/var/lib/kubelet", "/var/lib/cni", "/var/log/containers")
"""Paths fixed in the parts' code. In the lab's mount namespace a folder of the lab covers each of them."""

KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What the kubelet wants to find under /proc/sys, and would otherwise set for the whole machine."""


@dataclass(frozen=True)
class Node:
    """The node of one lab: where its parts are and where its files go."""

    paths: Paths
    entries: Mapping[str, Entry]

    @property
    def authority(self) -> Authority:
        """The cluster's certificate authority."""
        return users.authority(self.paths)

    @property
    def front_authority(self) -> Authority:
        """Whom servers behind the API server would trust. There are none, but other parts ask for its name in vain."""
        return Authority(self.paths.data / "certificates" / "front")

    @property
    def files(self) -> Path:
        """The folder of generated configuration."""
        return self.paths.data / "configuration"

    def binary(self, part: str, name: str) -> str:
        """Return the path of a part's binary."""
        return str(self.entries[part].folder / "bin" / name)

    def write(self, name: str, text: str) -> Path:
        """Write a configuration file that only root reads, and return its path."""
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)
        return path

    def certify(self) -> None:
        """Make every certificate and key that is missing."""
        authority = self.authority
        authority.create()
        hosts = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
        hosts += [f"kubernetes.default.svc.{DNS_DOMAIN}", "localhost", "127.0.0.1", API_SERVICE_IP, NODE_IP]
        authority.issue("apiserver", "kube-apiserver", hosts=hosts)
        authority.issue("kubelet-server", f"system:node:{NODE}", hosts=[NODE, NODE_IP])
        key_pair(authority.folder / "service-accounts.key")
        self.front_authority.create()
        public = authority.folder / "service-accounts.pub"
        if not public.exists():
            key = str(authority.folder / "service-accounts.key")
            output(["openssl", "ec", "-in", key, "-pubout", "-out", str(public)], what="Making a public key")

    def access(self, user: str, group: str = "") -> str:
        """Return the kubeconfig of a part of the cluster, which talks to the API server beside it."""
        groups = (group,) if group else ()
        return users.document(self.authority, user.replace(":", "-"), user, groups, "https://127.0.0.1:6443")

    def containerd(self) -> str:
        """Return containerd's configuration."""
        toml = f"""\
            version = 2
            root = "{self.paths.data}/containerd"
            state = "/run/containerd/state"
            disabled_plugins = [
              "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
              "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
              "io.containerd.internal.v1.tracing",
            ]

            [grpc]
            address = "{self.paths.containerd}"

            [plugins."io.containerd.internal.v1.opt"]
            path = "{self.paths.data}/containerd-opt"

            [plugins."io.containerd.grpc.v1.cri"]
            sandbox_image = "{PAUSE}"
            netns_mounts_under_state_dir = true
            # Root of a machine like this one may not lower a process's score (no CAP_SYS_RESOURCE).
            restrict_oom_score_adj = true

            [plugins."io.containerd.grpc.v1.cri".cni]
            bin_dir = "{CNI_PLUGINS}"
            conf_dir = "{self.files}/cni"

            [plugins."io.containerd.grpc.v1.cri".containerd]
            snapshotter = "overlayfs"
            default_runtime_name = "runc"

            [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
            runtime_type = "io.containerd.runc.v2"

            [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
            SystemdCgroup = false
            """
        return "\n".join(line.strip() for line in toml.splitlines()) + "\n"

    def pod_network(self) -> str:
        """Return the pods' network: a cable and a route for each pod.

        Without a bridge every packet between pods passes the node's routing, so that Services work on any kernel.
        """
        addresses = {
            "type": "host-local",
            "ranges": [[{"subnet": POD_NETWORK}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": "/var/lib/cni/networks",
        }
        plugins = [
            {"type": "ptp", "ipMasq": False, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ]
        return json.dumps({"cniVersion": "0.4.0", "name": LAB, "plugins": plugins}, indent=1)

    def kubelet(self, resolv_conf: Path) -> str:
        """Return the kubelet's configuration."""
        certificates = self.authority.folder
        return yaml.safe_dump(
            {
                "apiVersion": "kubelet.config.k8s.io/v1beta1",
                "kind": "KubeletConfiguration",
                "address": NODE_IP,
                "authentication": {
                    "anonymous": {"enabled": False},
                    "webhook": {"enabled": True},
                    "x509": {"clientCAFile": str(self.authority.certificate)},
                },
                "authorization": {"mode": "Webhook"},
                "tlsCertFile": str(certificates / "kubelet-server.crt"),
                "tlsPrivateKeyFile": str(certificates / "kubelet-server.key"),
                "containerRuntimeEndpoint": f"unix://{self.paths.containerd}",
                "cgroupDriver": "cgroupfs",
                "cgroupRoot": f"/{self.paths.cgroup}",
                "failCgroupV1": False,
                "failSwapOn": False,
                "clusterDNS": [DNS_SERVICE_IP],
                "clusterDomain": DNS_DOMAIN,
                "resolvConf": str(resolv_conf),
                "podLogsDir": f"{self.paths.data}/pod-logs",
                "volumePluginDir": f"{self.paths.data}/volume-plugins",
                "serializeImagePulls": False,
                # The machine is shared: pods may have all of its processors, none is kept for the system, and a full
                # disk is the machine's owner's to clear, not a reason to evict pods or throw images away.
                "enforceNodeAllocatable": ["none"],
                "evictionHard": {
                    "memory.available": "100Mi",
                    "nodefs.available": "0%",
                    "nodefs.inodesFree": "0%",
                    "imagefs.available": "0%",
                    "imagefs.inodesFree": "0%",
                },
                "imageGCHighThresholdPercent": 100,
                "imageGCLowThresholdPercent": 99,
                "oomScoreAdj": 0,
            },
            sort_keys=False,
        )

    def corefile(self, access: Path) -> str:
        """Return the configuration of CoreDNS, which knows the cluster's names and nothing beyond."""
        return "\n".join(
            [
                ".:53 {",
                f"    bind {NODE_IP}",
                "    errors",
                f"    health {NODE_IP}:8080",
                f"    ready {NODE_IP}:8181",
                f"    kubernetes {DNS_DOMAIN} in-addr.arpa ip6.arpa {{",
                f"        kubeconfig {access} {LAB}",
                "        pods insecure",
                "    }",
                "    cache 30",
                "}",
                "",
            ]
        )

    def setup(self) -> list[tuple[str, ...]]:
        """Return the commands that furnish the lab's namespaces before anything runs in them."""
        commands: list[tuple[str, ...]] = [
            # The kubelet shares mounts with containers; what is mounted here still never reaches the machine.
            ("mount", "--make-rshared", "/"),
            ("ip", "link", "set", "lo", "up"),
            # Not every kernel has dummy devices: one end of a cable carries the node's address.
            ("ip", "link", "add", "node0", "type", "veth", "peer", "name", "node1"),
            ("ip", "address", "add", NODE_NETWORK, "dev", "node0"),
            ("ip", "link", "set", "node0", "up"),
            ("ip", "link", "set", "node1", "up"),
            ("ip", "route", "add", "default", "via", GATEWAY, "dev", "node0"),
            ("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"),
        ]
        for path in COVERED:
            # What belongs to the node lasts as long as its data; /run is empty after each start.
            root = self.paths.run if path.startswith("/run/") else self.paths.data
            own = root / "covering" / path.lstrip("/").replace("/", "-")
            own.mkdir(parents=True, exist_ok=True)
            commands.append(("mount", "--bind", str(own), path))
        for name, value in KERNEL_SETTINGS.items():
            setting = Path("/proc/sys") / name
            if setting.exists() and setting.read_text().strip() != value:
                own = self.write(f"sys-{name.replace('/', '-')}", f"{value}\n")
                commands.append(("mount", "--bind", str(own), str(setting)))
        return commands

    def parts(self, listener: int) -> list[PartSpec]:
        """Return the parts of the cluster; `listener` is the descriptor of the machine's loopback socket."""
        api, containerd = "readyz:127.0.0.1:6443", f"unix:{self.paths.containerd}"
        certificates = self.authority.folder
        kubelet_client = self.authority.issue("kubelet-client", "kube-apiserver-kubelet-client")
        access = {
            name: self.write(f"{name}.kubeconfig", self.access(user, group))
            for name, user, group in (
                ("controller-manager", "system:kube-controller-manager", ""),
                ("scheduler", "system:kube-scheduler", ""),
                ("kubelet", f"system:node:{NODE}", "system:nodes"),
                ("kube-proxy", "system:kube-proxy", ""),
                ("coredns", "lab:coredns", ""),
                ("volume-provisioner", "lab:volume-provisioner", ""),
            )
        }
        self.write("cni/10-lab.conflist", self.pod_network())
        resolv_conf = self.write("resolv.conf", "# No name server: nothing beyond the cluster can be reached.\n")
        return [
            PartSpec(
                name="etcd",
                argv=(
                    "etcd",
                    f"--name={NODE}",
                    f"--data-dir={self.paths.data}/etcd",
                    "--listen-client-urls=http://127.0.0.1:2379",
                    "--advertise-client-urls=http://127.0.0.1:2379",
                    "--listen-peer-urls=http://127.0.0.1:2380",
                    "--initial-advertise-peer-urls=http://127.0.0.1:2380",
                    f"--initial-cluster={NODE}=http://127.0.0.1:2380",
                    "--auto-compaction-retention=1",
                    "--log-level=warn",
                ),
            ),
            PartSpec(
                name="containerd",
                argv=("containerd", "--config", str(self.write("containerd.toml", self.containerd()))),
            ),
            PartSpec(
                name="relay",
                argv=(sys.executable, "-m", "lab.relay", str(listener), "127.0.0.1", "6443"),
                environment={"PYTHONPATH": str(self.paths.checkout)},
                descriptors=(listener,),
            ),
            PartSpec(
                name="kube-apiserver",
                after=("tcp:127.0.0.1:2379",),
                argv=(
                    self.binary("kubernetes", "kube-apiserver"),
                    "--etcd-servers=http://127.0.0.1:2379",
                    f"--advertise-address={NODE_IP}",
                    "--secure-port=6443",
                    f"--service-cluster-ip-range={SERVICE_NETWORK}",
                    "--authorization-mode=Node,RBAC",
                    "--enable-admission-plugins=NodeRestriction",
                    "--allow-privileged=true",
                    f"--client-ca-file={self.authority.certificate}",
                    f"--requestheader-client-ca-file={self.front_authority.certificate}",
                    "--requestheader-username-headers=X-Remote-User",
                    "--requestheader-group-headers=X-Remote-Group",
                    f"--tls-cert-file={certificates}/apiserver.crt",
                    f"--tls-private-key-file={certificates}/apiserver.key",
                    f"--kubelet-client-certificate={kubelet_client[0]}",
                    f"--kubelet-client-key={kubelet_client[1]}",
                    f"--kubelet-certificate-authority={self.authority.certificate}",
                    "--kubelet-preferred-address-types=InternalIP",
                    f"--service-account-issuer=https://kubernetes.default.svc.{DNS_DOMAIN}",
                    f"--service-account-signing-key-file={certificates}/service-accounts.key",
                    f"--service-account-key-file={certificates}/service-accounts.pub",
                    "--profiling=false",
                ),
            ),
            PartSpec(
                name="kube-controller-manager",
                after=(api,),
                argv=(
                    self.binary("kubernetes", "kube-controller-manager"),
                    *_control_plane(access["controller-manager"]),
                    "--use-service-account-credentials=true",
                    f"--service-account-private-key-file={certificates}/service-accounts.key",
                    f"--root-ca-file={self.authority.certificate}",
                    f"--cluster-signing-cert-file={self.authority.certificate}",
                    f"--cluster-signing-key-file={self.authority.key}",
                    f"--service-cluster-ip-range={SERVICE_NETWORK}",
                ),
            ),
            PartSpec(
                name="kube-scheduler",
                after=(api,),
                argv=(self.binary("kubernetes", "kube-scheduler"), *_control_plane(access["scheduler"])),
            ),
            PartSpec(
                name="kubelet",
                after=(api, containerd),
                argv=(
                    self.binary("kubernetes", "kubelet"),
                    f"--config={self.write('kubelet.yaml', self.kubelet(resolv_conf))}",
                    f"--kubeconfig={access['kubelet']}",
                    f"--hostname-override={NODE}",
                    f"--node-ip={NODE_IP}",
                ),
            ),
            PartSpec(
                name="kube-proxy",
                after=(api,),
                argv=(
                    self.binary("kubernetes", "kube-proxy"),
                    f"--kubeconfig={access['kube-proxy']}",
                    f"--hostname-override={NODE}",
                    "--proxy-mode=iptables",
                    f"--cluster-cidr={POD_NETWORK}",
                    # Connection tracking is the machine's to size, and can't be sized from a network namespace.
                    "--conntrack-max-per-core=0",
                    "--conntrack-min=0",
                    "--oom-score-adj=0",
                ),
            ),
            PartSpec(
                name="coredns",
                after=(api,),
                argv=(
                    self.binary("coredns", "coredns"),
                    "-conf",
                    str(self.write("Corefile", self.corefile(access["coredns"]))),
                ),
            ),
            PartSpec(
                name="volume-provisioner",
                after=(api,),
                argv=(
                    self.binary("volume-provisioner", "volume-provisioner"),
                    f"-kubeconfig={access['volume-provisioner']}",
                    f"-provisioner={PROVISIONER}",
                    f"-node={NODE}",
                    f"-folder={self.paths.volumes}",
                ),
            ),
        ]

    def spec(self, listener: int) -> Spec:
        """Write every file the parts need and return what the supervisor is told."""
        self.certify()
        users.write(self.paths)
        parts = self.parts(listener)
        return Spec(
            digest=self.digest(),
            control=str(self.paths.control),
            logs=str(self.paths.logs),
            setup=tuple(self.setup()),
            parts=tuple(parts),
        )

    def digest(self) -> str:
        """Return a digest of the parts that the running cluster is made of."""
        names = ("kubernetes", "coredns", "volume-provisioner", "pause")
        return digest(*(str(self.entries[name].folder) for name in names))


def _control_plane(access: Path) -> tuple[str, ...]:
    """Return the options that the scheduler and the controller manager share: one of each, so no leader is elected."""
    return (
        f"--kubeconfig={access}",
        f"--authentication-kubeconfig={access}",
        f"--authorization-kubeconfig={access}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--profiling=false",
    )


def system_objects() -> list[dict[str, object]]:
    """Return the objects that the lab itself puts into the cluster.

    They are the name service's address, the default StorageClass, and the permissions of those parts that have none by
    default: the name service, the provisioner of volumes, the API server's client certificate for the kubelet, and the
    administrator that people and tests are.
    """
    dns = {"name": "kube-dns", "namespace": "kube-system"}
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
    rbac = "rbac.authorization.k8s.io"
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**dns, "labels": {"k8s-app": "kube-dns"}},
            "spec": {"clusterIP": DNS_SERVICE_IP, "ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**dns, "labels": {"kubernetes.io/service-name": "kube-dns"}},
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": [{"addresses": [NODE_IP], "conditions": {"ready": True}}],
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "lab:coredns"},
            "rules": [
                {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
            ],
        },
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {
                "name": STORAGE_CLASS,
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": PROVISIONER,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "WaitForFirstConsumer",
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "lab:volume-provisioner"},
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": ["persistentvolumes"],
                    "verbs": ["list", "watch", "create", "patch", "delete"],
                },
                {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["list", "watch"]},
                {"apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"], "verbs": ["list", "watch"]},
                {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
            ],
        },
        _binding("lab:coredns", "lab:coredns", "lab:coredns"),
        _binding("lab:volume-provisioner", "lab:volume-provisioner", "lab:volume-provisioner"),
        _binding("lab:admin", "cluster-admin", users.ADMINISTRATOR),
        _binding("lab:kubelet-client", "system:kubelet-api-admin", "kube-apiserver-kubelet-client"),
    ]


def _binding(name: str, role: str, user: str) -> dict[str, object]:
    """Return a ClusterRoleBinding of a user."""
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }


def passphrase(path: Path) -> None:
    """Write a random passphrase that only root reads, unless there is one."""
    if not path.exists():
        temporary = path.with_suffix(".new")
        temporary.touch(mode=0o600)
        temporary.write_text(secrets.token_urlsafe(32))
        temporary.rename(path)
