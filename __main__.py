"""The "Dapr & OSM integration" walkthrough, as one Pulumi program. Read it beside the page."""

import pulumi

from components import (
    ClusterIdentity,
    ClusterIdentityArgs,
    DaprInstall,
    DaprInstallArgs,
    HelloKubernetesApps,
    HelloKubernetesAppsArgs,
    Interception,
    MeshConfigExclusions,
    MeshConfigExclusionsArgs,
    OsmInstall,
    OsmInstallArgs,
    SmiPolicies,
    SmiPoliciesArgs,
    TeardownGuard,
    TeardownGuardArgs,
    Verification,
    VerificationArgs,
)
from model.apps import NODE_APP
from model.exclusions import NO_EXCLUSIONS
from model.expectation import sidecars
from model.versions import OSM_RELEASE
from settings import VERSION
from stack import stack

# Everything is looked at before anything is made: config, cluster, charts, and whose the names are.
this = stack()
settings, stage = this.settings, this.settings.stage
on_cluster = pulumi.ResourceOptions(provider=this.provider)

identity = ClusterIdentity(
    "cluster",
    ClusterIdentityArgs(
        provider=this.provider,
        context=settings.kube_context,
        owner=this.owner,
        keep_shared=settings.keep_shared,
    ),
    opts=on_cluster,
)
connection = identity.connection
after_identity = pulumi.ResourceOptions(provider=this.provider, depends_on=[identity])

# Step 1: Dapr, with its mTLS off.
dapr = DaprInstall(
    "dapr",
    DaprInstallArgs(
        connection=connection,
        chart=this.dapr,
        namespace=settings.namespaces.dapr,
        existing_namespace=settings.namespaces.dapr in settings.existing_namespaces,
        namespace_labels=settings.namespace_labels.get(settings.namespaces.dapr, {}),
        namespace_annotations=settings.namespace_annotations.get(settings.namespaces.dapr, {}),
        protect=settings.protect,
        keep_shared=settings.keep_shared,
        release=settings.dapr,
        registry_credentials=this.secrets.registry_credentials,
        timeout_seconds=settings.timeout_seconds,
    ),
    opts=after_identity,
)
components: list[pulumi.Resource] = [dapr]
digests = [dapr.digest]
interception = exclusions = osm = None

if stage.meshed:
    # Step 2: OSM.
    osm = OsmInstall(
        "osm",
        OsmInstallArgs(
            connection=connection,
            chart=this.osm,
            namespace=settings.namespaces.osm,
            existing_namespace=settings.namespaces.osm in settings.existing_namespaces,
            namespace_labels=settings.namespace_labels.get(settings.namespaces.osm, {}),
            namespace_annotations=settings.namespace_annotations.get(settings.namespaces.osm, {}),
            protect=settings.protect,
            keep_shared=settings.keep_shared,
            release=OSM_RELEASE,
            registry_credentials=this.secrets.registry_credentials,
            timeout_seconds=settings.timeout_seconds,
        ),
        opts=after_identity,
    )
    # Steps 3 to 6: permissive mode, and what bypasses Envoy.
    exclusions = MeshConfigExclusions(
        "exclusions",
        MeshConfigExclusionsArgs(
            connection=connection,
            mesh=osm,
            sidecars=osm.sidecars,
            namespaces=settings.namespaces,
            services=dapr.services,
            permissive=stage.permissive,
            enable_egress=settings.enable_egress,
            exclude_api_server=settings.exclude_api_server,
            exclusion_set=settings.exclusion_set,
            port_scope=settings.port_scope,
            extra_ports=settings.extra_ports,
            extra_ip_ranges=settings.extra_ip_ranges,
        ),
        opts=on_cluster,
    )
    interception = Interception(
        pod_annotation=exclusions.pod_annotation, digest=exclusions.injection_digest, configured=exclusions
    )
    components += [osm, exclusions]
    digests += [osm.digest, exclusions.digest]

# Steps 1, 7 and 8: the apps and their state store, joined to the mesh where there is one.
apps = HelloKubernetesApps(
    "hello",
    HelloKubernetesAppsArgs(
        connection=connection,
        stage=stage,
        namespace=settings.namespaces.apps,
        apps=settings.apps,
        redis_image=settings.images.redis,
        redis_password=this.secrets.redis_password,
        password_in_component=settings.password_in_component,
        read_all_secrets=settings.read_all_secrets,
        registry_credentials=this.secrets.registry_credentials,
        route=settings.dapr.route,
        control_planes=[settings.namespaces.dapr, *([settings.namespaces.osm] if osm else [])],
        dapr=dapr,
        dapr_digest=dapr.sidecars,
        sidecars=sidecars(stage, settings.dapr, OSM_RELEASE),
        interception=interception,
        secret_environments=this.secrets.environments,
        namespace_labels=settings.namespace_labels,
        namespace_annotations=settings.namespace_annotations,
        existing_namespaces=settings.existing_namespaces,
        protect=settings.protect,
        timeout_seconds=settings.timeout_seconds,
    ),
    opts=after_identity,
)
components.append(apps)
digests.append(apps.digest)

# Step 10: with permissive mode off, only what a policy allows.
if osm is not None and stage.enforces:
    policies = SmiPolicies(
        "smi",
        SmiPoliciesArgs(
            connection=connection,
            namespaces=apps.namespaces,
            policies=list(settings.policies.values()) if stage.policies else [],
            apps=settings.apps,
            route=settings.dapr.route,
            mesh=osm,
            deployed=apps,
        ),
        opts=on_cluster,
    )
    components.append(policies)
    digests.append(policies.digest)

# Steps 1, 9 and 10: does it do what the stage says?
verification = Verification(
    "verification",
    VerificationArgs(
        connection=connection,
        expectation=this.expectation,
        covers=digests,
        bare=this.bare,
        after=components,
    ),
)

# Step 11: a destroy begins here, and ends here where it must not go on.
TeardownGuard(
    "teardown",
    TeardownGuardArgs(
        connection=connection,
        stack=this.teardown,
        after=[identity, *components, verification],
        protect=settings.protect,
    ),
)

# What an operator asks first.
pulumi.export("stage", stage.value)
pulumi.export("versions", {"program": VERSION, "dapr": dapr.version} | ({"osm": osm.version} if osm else {}))
pulumi.export(
    "namespaces",
    {"dapr": dapr.namespace, "apps": list(apps.namespaces.values())} | ({"osm": osm.namespace} if osm else {}),
)
pulumi.export("exclusions", exclusions.exclusions if exclusions else NO_EXCLUSIONS.explained())
pulumi.export("verification", verification.findings)
pulumi.export("expectation", this.expectation.to_json())
if node := settings.apps.get(NODE_APP):
    pulumi.export("watchOrders", f"kubectl logs -n {node.namespace} deploy/{node.name} -c {node.container} -f")
