"""Recorded types: what keeps data: tables, buckets, databases, caches, streams, keys and secrets."""

from collections.abc import Mapping
from typing import Final

from scopegate.stacks.types.recorded.row import Recorded, arn

_TABLE: Final = arn("dynamodb", "table/{name}")
_SECRET: Final = arn("secretsmanager", "secret:{name}-{id}")

ROWS: Final[Mapping[str, Recorded]] = {
    "AWS::Athena::NamedQuery": Recorded(
        "{id}",
        {"NamedQueryId": "{id}"},
        id="{uuid}",
        replaces="Database Description Name QueryString WorkGroup",
    ),
    "AWS::Athena::WorkGroup": Recorded(attributes={"CreationTime": "{moment}"}, name="Name", longest=128),
    "AWS::Backup::BackupPlan": Recorded(
        "{id}",
        {"BackupPlanArn": arn("backup", "backup-plan:{id}"), "BackupPlanId": "{id}", "VersionId": "{id}"},
        id="{uuid}",
    ),
    "AWS::Backup::BackupSelection": Recorded(
        "{id}", {"Id": "{id}", "SelectionId": "{id}"}, id="{uuid}", replaces="BackupPlanId BackupSelection"
    ),
    "AWS::Backup::BackupVault": Recorded(
        attributes={"BackupVaultArn": arn("backup", "backup-vault:{name}"), "BackupVaultName": "{name}"},
        name="BackupVaultName",
        longest=50,
        replaces="EncryptionKeyArn",
    ),
    "AWS::DocDB::DBCluster": Recorded(
        attributes={
            "ClusterResourceId": "cluster-{id}",
            "Endpoint": "{name}.cluster-{lower_id}.{region}.docdb.{suffix}",
            "Id": "{name}",
            "Port": "{Port|27017}",
            "ReadEndpoint": "{name}.cluster-ro-{lower_id}.{region}.docdb.{suffix}",
        },
        name="DBClusterIdentifier",
        longest=63,
        lower=True,
        id="{upper:12}",
        replaces="AvailabilityZones DBSubnetGroupName KmsKeyId MasterUsername SnapshotIdentifier StorageEncrypted",
    ),
    "AWS::DocDB::DBInstance": Recorded(
        attributes={"Endpoint": "{name}.{lower_id}.{region}.docdb.{suffix}", "Id": "{name}", "Port": "27017"},
        name="DBInstanceIdentifier",
        longest=63,
        lower=True,
        id="{upper:12}",
        replaces="AvailabilityZone DBClusterIdentifier",
    ),
    "AWS::DocDB::DBSubnetGroup": Recorded(name="DBSubnetGroupName", longest=255, lower=True),
    "AWS::DynamoDB::GlobalTable": Recorded(
        attributes={"Arn": _TABLE, "StreamArn": f"{_TABLE}/stream/{{moment}}", "TableId": "{id}"},
        name="TableName",
        longest=255,
        id="{uuid}",
    ),
    "AWS::DynamoDB::Table": Recorded(
        attributes={"Arn": _TABLE, "StreamArn": f"{_TABLE}/stream/{{moment}}"},
        name="TableName",
        longest=255,
        replaces="ImportSourceSpecification KeySchema",
    ),
    "AWS::EFS::AccessPoint": Recorded(
        "fsap-{id}",
        {"AccessPointId": "fsap-{id}", "Arn": arn("elasticfilesystem", "access-point/fsap-{id}")},
        id="{hex:17}",
        replaces="ClientToken FileSystemId PosixUser RootDirectory",
    ),
    "AWS::EFS::FileSystem": Recorded(
        "fs-{id}",
        {"Arn": arn("elasticfilesystem", "file-system/fs-{id}"), "FileSystemId": "fs-{id}"},
        id="{hex:17}",
        replaces="AvailabilityZoneName Encrypted KmsKeyId PerformanceMode",
    ),
    "AWS::EFS::MountTarget": Recorded(
        "fsmt-{id}",
        {"Id": "fsmt-{id}", "IpAddress": "{IpAddress|10.0.0.10}"},
        id="{hex:17}",
        replaces="FileSystemId IpAddress SubnetId",
    ),
    "AWS::ElastiCache::CacheCluster": Recorded(
        attributes={
            "ConfigurationEndpoint.Address": "{name}.{id}.cfg.cache.{suffix}",
            "ConfigurationEndpoint.Port": "{Port|11211}",
            "RedisEndpoint.Address": "{name}.{id}.0001.cache.{suffix}",
            "RedisEndpoint.Port": "{Port|6379}",
        },
        name="ClusterName",
        longest=50,
        lower=True,
        id="{lower:6}",
        replaces="CacheSubnetGroupName Engine NetworkType Port SnapshotArns SnapshotName",
    ),
    "AWS::ElastiCache::ParameterGroup": Recorded(longest=255, lower=True, replaces="CacheParameterGroupFamily"),
    "AWS::ElastiCache::ReplicationGroup": Recorded(
        attributes={
            "ConfigurationEndPoint.Address": "{name}.{id}.cfg.cache.{suffix}",
            "ConfigurationEndPoint.Port": "{Port|6379}",
            "PrimaryEndPoint.Address": "{name}.{id}.ng.0001.cache.{suffix}",
            "PrimaryEndPoint.Port": "{Port|6379}",
            "ReaderEndPoint.Address": "{name}-ro.{id}.ng.0001.cache.{suffix}",
            "ReaderEndPoint.Port": "{Port|6379}",
        },
        name="ReplicationGroupId",
        longest=40,
        lower=True,
        id="{lower:6}",
        replaces="AtRestEncryptionEnabled CacheSubnetGroupName KmsKeyId NetworkType Port SnapshotArns SnapshotName",
    ),
    "AWS::ElastiCache::ServerlessCache": Recorded(
        attributes={
            "ARN": arn("elasticache", "serverlesscache:{name}"),
            "Endpoint.Address": "{name}-{id}.serverless.cache.{suffix}",
            "Endpoint.Port": "6379",
            "ReaderEndpoint.Address": "{name}-{id}.serverless.cache.{suffix}",
            "ReaderEndpoint.Port": "6380",
        },
        name="ServerlessCacheName",
        longest=40,
        lower=True,
        id="{lower:6}",
        replaces="KmsKeyId SnapshotArnsToRestore SubnetIds",
    ),
    "AWS::ElastiCache::SubnetGroup": Recorded(name="CacheSubnetGroupName", longest=255, lower=True),
    "AWS::Glue::Crawler": Recorded(name="Name", longest=255),
    "AWS::Glue::Database": Recorded(name="DatabaseInput.Name", longest=255, lower=True, replaces="CatalogId"),
    "AWS::Glue::Job": Recorded(name="Name", longest=255),
    "AWS::Glue::Registry": Recorded(
        arn("glue", "registry/{name}"), {"Arn": arn("glue", "registry/{name}")}, name="Name", longest=255
    ),
    "AWS::Glue::Schema": Recorded(
        arn("glue", "schema/{Registry.Name|default-registry}/{name}"),
        {
            "Arn": arn("glue", "schema/{Registry.Name|default-registry}/{name}"),
            "InitialSchemaVersionId": "{id}",
        },
        name="Name",
        longest=255,
        id="{uuid}",
        replaces="DataFormat Registry SchemaDefinition",
    ),
    "AWS::Glue::Table": Recorded(name="TableInput.Name", longest=255, lower=True, replaces="CatalogId DatabaseName"),
    "AWS::KMS::Alias": Recorded("{AliasName}", replaces="AliasName"),
    "AWS::KMS::Key": Recorded(
        "{id}", {"Arn": arn("kms", "key/{id}"), "KeyId": "{id}"}, id="{uuid}", replaces="KeySpec KeyUsage Origin"
    ),
    "AWS::KMS::ReplicaKey": Recorded(
        "mrk-{id}",
        {"Arn": arn("kms", "key/mrk-{id}"), "KeyId": "mrk-{id}"},
        id="{hex:32}",
        replaces="PrimaryKeyArn",
    ),
    "AWS::Kendra::DataSource": Recorded(
        "{id}",
        {"Arn": arn("kendra", "index/{IndexId}/data-source/{id}"), "Id": "{id}"},
        id="{uuid}",
        replaces="IndexId Type",
    ),
    "AWS::Kendra::Index": Recorded(
        "{id}",
        {"Arn": arn("kendra", "index/{id}"), "Id": "{id}"},
        id="{uuid}",
        replaces="Edition ServerSideEncryptionConfiguration",
    ),
    "AWS::Kinesis::Stream": Recorded(attributes={"Arn": arn("kinesis", "stream/{name}")}, name="Name", longest=128),
    "AWS::Kinesis::StreamConsumer": Recorded(
        "{StreamARN}/consumer/{ConsumerName}:{id}",
        {
            "ConsumerARN": "{StreamARN}/consumer/{ConsumerName}:{id}",
            "ConsumerName": "{ConsumerName}",
            "ConsumerStatus": "ACTIVE",
            "StreamARN": "{StreamARN}",
        },
        id="{digit:10}",
        replaces="ConsumerName StreamARN",
    ),
    "AWS::KinesisFirehose::DeliveryStream": Recorded(
        attributes={"Arn": arn("firehose", "deliverystream/{name}")}, name="DeliveryStreamName", longest=64
    ),
    "AWS::MemoryDB::Cluster": Recorded(
        attributes={
            "ARN": arn("memorydb", "cluster/{name}"),
            "ClusterEndpoint.Address": "clustercfg.{name}.{id}.memorydb.{region}.{suffix}",
            "ClusterEndpoint.Port": "{Port|6379}",
            "Status": "available",
        },
        name="ClusterName",
        longest=40,
        lower=True,
        id="{lower:6}",
        replaces="KmsKeyId Port SubnetGroupName TLSEnabled",
    ),
    "AWS::MemoryDB::SubnetGroup": Recorded(
        attributes={"ARN": arn("memorydb", "subnetgroup/{name}")}, name="SubnetGroupName", longest=255, lower=True
    ),
    "AWS::OpenSearchServerless::AccessPolicy": Recorded("{Type}|{Name}", replaces="Name Type"),
    "AWS::OpenSearchServerless::Collection": Recorded(
        "{id}",
        {
            "Arn": arn("aoss", "collection/{id}"),
            "CollectionEndpoint": "https://{id}.{region}.aoss.{suffix}",
            "DashboardEndpoint": "https://{id}.{region}.aoss.{suffix}/_dashboards",
            "Id": "{id}",
        },
        id="{lower:20}",
        replaces="Name StandbyReplicas Type",
    ),
    "AWS::OpenSearchServerless::SecurityPolicy": Recorded("{Type}|{Name}", replaces="Name Type"),
    "AWS::OpenSearchService::Domain": Recorded(
        attributes={
            "Arn": arn("es", "domain/{name}"),
            "DomainArn": arn("es", "domain/{name}"),
            "DomainEndpoint": "search-{name}-{id}.{region}.es.{suffix}",
            "Id": "{account}/{name}",
        },
        name="DomainName",
        longest=28,
        lower=True,
        id="{lower:26}",
    ),
    "AWS::RDS::DBCluster": Recorded(
        attributes={
            "DBClusterArn": arn("rds", "cluster:{name}"),
            "DBClusterResourceId": "cluster-{id}",
            "Endpoint.Address": "{name}.cluster-{lower_id}.{region}.rds.{suffix}",
            "Endpoint.Port": "{Port|3306}",
            "MasterUserSecret.SecretArn": arn("secretsmanager", "secret:rds!cluster-{id}"),
            "ReadEndpoint.Address": "{name}.cluster-ro-{lower_id}.{region}.rds.{suffix}",
        },
        name="DBClusterIdentifier",
        longest=63,
        lower=True,
        id="{upper:12}",
        replaces="DBSubnetGroupName DatabaseName EngineMode KmsKeyId SnapshotIdentifier StorageEncrypted",
    ),
    "AWS::RDS::DBClusterParameterGroup": Recorded(
        name="DBClusterParameterGroupName", longest=255, lower=True, replaces="Description Family"
    ),
    "AWS::RDS::DBInstance": Recorded(
        attributes={
            "DBInstanceArn": arn("rds", "db:{name}"),
            "DbiResourceId": "db-{id}",
            "Endpoint.Address": "{name}.{lower_id}.{region}.rds.{suffix}",
            "Endpoint.HostedZoneId": "Z{id}",
            "Endpoint.Port": "{Port|3306}",
            "MasterUserSecret.SecretArn": arn("secretsmanager", "secret:rds!db-{id}"),
        },
        name="DBInstanceIdentifier",
        longest=63,
        lower=True,
        id="{upper:12}",
        replaces="CharacterSetName DBClusterIdentifier DBName DBSubnetGroupName KmsKeyId MasterUsername "
        "StorageEncrypted Timezone",
    ),
    "AWS::RDS::DBParameterGroup": Recorded(
        attributes={"DBParameterGroupName": "{name}"},
        name="DBParameterGroupName",
        longest=255,
        lower=True,
        replaces="Description Family",
    ),
    "AWS::RDS::DBProxy": Recorded(
        attributes={
            "DBProxyArn": arn("rds", "db-proxy:prx-{id}"),
            "Endpoint": "{name}.proxy-{id}.{region}.rds.{suffix}",
            "VpcId": "vpc-{id}",
        },
        name="DBProxyName",
        longest=63,
        lower=True,
        id="{hex:17}",
        replaces="EngineFamily VpcSubnetIds",
    ),
    "AWS::RDS::DBProxyTargetGroup": Recorded(
        arn("rds", "target-group:prx-tg-{id}"),
        {"TargetGroupArn": arn("rds", "target-group:prx-tg-{id}")},
        id="{hex:17}",
        replaces="DBProxyName TargetGroupName",
    ),
    "AWS::RDS::DBSubnetGroup": Recorded(
        attributes={"DBSubnetGroupArn": arn("rds", "subgrp:{name}")},
        name="DBSubnetGroupName",
        longest=255,
        lower=True,
    ),
    "AWS::S3::AccessPoint": Recorded(
        attributes={
            "Alias": "{name}-{id}-s3alias",
            "Arn": arn("s3", "accesspoint/{name}"),
            "Name": "{name}",
            "NetworkOrigin": "Internet",
        },
        name="Name",
        longest=50,
        lower=True,
        id="{lower:30}",
        replaces="Bucket BucketAccountId VpcConfiguration",
    ),
    "AWS::S3::Bucket": Recorded(
        attributes={
            "Arn": "arn:{partition}:s3:::{name}",
            "DomainName": "{name}.s3.{suffix}",
            "DualStackDomainName": "{name}.s3.dualstack.{region}.{suffix}",
            "RegionalDomainName": "{name}.s3.{region}.{suffix}",
            "WebsiteURL": "http://{name}.{website}.{suffix}",
        },
        name="BucketName",
        longest=63,
        lower=True,
    ),
    "AWS::S3::BucketPolicy": Recorded("{Bucket}", replaces="Bucket"),
    "AWS::S3Express::DirectoryBucket": Recorded(
        attributes={"Arn": arn("s3express", "bucket/{name}"), "AvailabilityZoneName": "{zone}"},
        name="BucketName",
        longest=63,
        lower=True,
        replaces="DataRedundancy LocationName",
    ),
    "AWS::SSM::Association": Recorded("{id}", {"AssociationId": "{id}"}, id="{uuid}", replaces="InstanceId"),
    "AWS::SSM::Document": Recorded(name="Name", longest=128, replaces="DocumentType"),
    "AWS::SSM::Parameter": Recorded(
        attributes={"Arn": arn("ssm", "parameter{path}"), "Type": "{Type}", "Value": "{Value}"},
        name="Name",
        longest=1011,
    ),
    "AWS::SecretsManager::ResourcePolicy": Recorded("{SecretId}", {"Id": "{SecretId}"}, replaces="SecretId"),
    "AWS::SecretsManager::RotationSchedule": Recorded(
        "{SecretId}", {"Id": "{SecretId}"}, replaces="SecretId", says="nothing is rotated"
    ),
    "AWS::SecretsManager::Secret": Recorded(_SECRET, {"Id": _SECRET}, name="Name", longest=512, id="{mixed:6}"),
    "AWS::SecretsManager::SecretTargetAttachment": Recorded("{SecretId}", {"Id": "{SecretId}"}, replaces="SecretId"),
    "AWS::Timestream::Database": Recorded(
        attributes={"Arn": arn("timestream", "database/{name}")}, name="DatabaseName", longest=256
    ),
    "AWS::Timestream::Table": Recorded(
        "{DatabaseName}|{name}",
        {"Arn": arn("timestream", "database/{DatabaseName}/table/{name}"), "Name": "{name}"},
        name="TableName",
        longest=256,
        replaces="DatabaseName",
    ),
}
