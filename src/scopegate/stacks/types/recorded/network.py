"""Recorded types: networks, names, certificates, content delivery, firewalls.

Which API a firewall guards says AWS::WAFv2::WebACLAssociation: that is not recorded.
"""

from collections.abc import Mapping
from typing import Final

from scopegate.stacks.types.recorded.row import Recorded, arn, global_arn

ROWS: Final[Mapping[str, Recorded]] = {
    "AWS::ACMPCA::Certificate": Recorded(
        "{CertificateAuthorityArn}/certificate/{id}",
        {"Arn": "{CertificateAuthorityArn}/certificate/{id}", "Certificate": "recorded"},
        id="{hex:32}",
        replaces="CertificateAuthorityArn CertificateSigningRequest SigningAlgorithm TemplateArn Validity",
    ),
    "AWS::ACMPCA::CertificateAuthority": Recorded(
        arn("acm-pca", "certificate-authority/{id}"),
        {"Arn": arn("acm-pca", "certificate-authority/{id}"), "CertificateSigningRequest": "recorded"},
        id="{uuid}",
        replaces="CsrExtensions KeyAlgorithm SigningAlgorithm Subject Type UsageMode",
    ),
    "AWS::ACMPCA::CertificateAuthorityActivation": Recorded(
        "{CertificateAuthorityArn}", {"CompleteCertificateChain": "recorded"}, replaces="CertificateAuthorityArn"
    ),
    "AWS::ACMPCA::Permission": Recorded(
        "{CertificateAuthorityArn}|{Principal}", replaces="Actions CertificateAuthorityArn Principal SourceAccount"
    ),
    "AWS::CertificateManager::Certificate": Recorded(
        arn("acm", "certificate/{id}"),
        {"CertificateArn": arn("acm", "certificate/{id}")},
        id="{uuid}",
        replaces="CertificateAuthorityArn DomainName DomainValidationOptions KeyAlgorithm SubjectAlternativeNames",
    ),
    "AWS::CloudFront::CachePolicy": Recorded("{id}", {"Id": "{id}", "LastModifiedTime": "{moment}"}, id="{uuid}"),
    "AWS::CloudFront::CloudFrontOriginAccessIdentity": Recorded(
        "E{id}", {"Id": "E{id}", "S3CanonicalUserId": "{lower_id}"}, id="{upper:13}"
    ),
    "AWS::CloudFront::Distribution": Recorded(
        "E{id}",
        {"DomainName": "d{lower_id}.cloudfront.net", "Id": "E{id}"},
        id="{upper:13}",
        says="no call reaches an API through it",
    ),
    "AWS::CloudFront::Function": Recorded(
        global_arn("cloudfront", "function/{Name}"),
        {
            "FunctionARN": global_arn("cloudfront", "function/{Name}"),
            "FunctionMetadata.FunctionARN": global_arn("cloudfront", "function/{Name}"),
            "Stage": "LIVE",
        },
        replaces="Name",
    ),
    "AWS::CloudFront::KeyGroup": Recorded("{id}", {"Id": "{id}", "LastModifiedTime": "{moment}"}, id="{uuid}"),
    "AWS::CloudFront::OriginAccessControl": Recorded("E{id}", {"Id": "E{id}"}, id="{upper:13}"),
    "AWS::CloudFront::OriginRequestPolicy": Recorded(
        "{id}", {"Id": "{id}", "LastModifiedTime": "{moment}"}, id="{uuid}"
    ),
    "AWS::CloudFront::PublicKey": Recorded("K{id}", {"CreatedTime": "{moment}", "Id": "K{id}"}, id="{upper:13}"),
    "AWS::CloudFront::ResponseHeadersPolicy": Recorded(
        "{id}", {"Id": "{id}", "LastModifiedTime": "{moment}"}, id="{uuid}"
    ),
    "AWS::EC2::EIP": Recorded(
        "203.0.113.10",
        {"AllocationId": "eipalloc-{id}", "PublicIp": "203.0.113.10"},
        id="{hex:17}",
        replaces="Address NetworkBorderGroup",
    ),
    "AWS::EC2::EgressOnlyInternetGateway": Recorded("eigw-{id}", {"Id": "eigw-{id}"}, id="{hex:17}", replaces="VpcId"),
    "AWS::EC2::FlowLog": Recorded("fl-{id}", {"Id": "fl-{id}"}, id="{hex:17}", replaces="LogDestination ResourceId"),
    "AWS::EC2::Instance": Recorded(
        "i-{id}",
        {
            "AvailabilityZone": "{AvailabilityZone|zone}",
            "InstanceId": "i-{id}",
            "PrivateDnsName": "ip-10-0-0-10.{region}.compute.internal",
            "PrivateIp": "{PrivateIpAddress|10.0.0.10}",
            "PublicDnsName": "ec2-203-0-113-10.{region}.compute.{suffix}",
            "PublicIp": "203.0.113.10",
            "VpcId": "vpc-{id}",
        },
        id="{hex:17}",
        replaces="AvailabilityZone ImageId KeyName PrivateIpAddress SubnetId",
    ),
    "AWS::EC2::InstanceConnectEndpoint": Recorded(
        "eice-{id}",
        {
            "Id": "eice-{id}",
            "InstanceConnectEndpointArn": arn("ec2", "instance-connect-endpoint/eice-{id}"),
            "State": "create-complete",
        },
        id="{hex:17}",
        replaces="PreserveClientIp SecurityGroupIds SubnetId",
    ),
    "AWS::EC2::InternetGateway": Recorded("igw-{id}", {"InternetGatewayId": "igw-{id}"}, id="{hex:17}"),
    "AWS::EC2::KeyPair": Recorded(
        "{KeyName}",
        {"KeyFingerprint": "recorded", "KeyPairId": "key-{id}"},
        id="{hex:17}",
        replaces="KeyFormat KeyName KeyType PublicKeyMaterial",
    ),
    "AWS::EC2::LaunchTemplate": Recorded(
        "lt-{id}",
        {"DefaultVersionNumber": "1", "LatestVersionNumber": "1", "LaunchTemplateId": "lt-{id}"},
        id="{hex:17}",
        replaces="LaunchTemplateName",
    ),
    "AWS::EC2::NatGateway": Recorded(
        "nat-{id}",
        {"NatGatewayId": "nat-{id}"},
        id="{hex:17}",
        replaces="AllocationId ConnectivityType PrivateIpAddress SubnetId",
    ),
    "AWS::EC2::NetworkAcl": Recorded("acl-{id}", {"Id": "acl-{id}"}, id="{hex:17}", replaces="VpcId"),
    "AWS::EC2::NetworkAclEntry": Recorded(attributes={"Id": "{name}"}, replaces="Egress NetworkAclId RuleNumber"),
    "AWS::EC2::PrefixList": Recorded(
        "pl-{id}",
        {
            "Arn": arn("ec2", "prefix-list/pl-{id}"),
            "OwnerId": "{account}",
            "PrefixListId": "pl-{id}",
            "Version": "1",
        },
        id="{hex:17}",
    ),
    "AWS::EC2::Route": Recorded(
        "{RouteTableId}[|{DestinationCidrBlock}][|{DestinationIpv6CidrBlock}][|{DestinationPrefixListId}]",
        {"CidrBlock": "{DestinationCidrBlock}"},
        replaces="DestinationCidrBlock DestinationIpv6CidrBlock DestinationPrefixListId RouteTableId",
    ),
    "AWS::EC2::RouteTable": Recorded("rtb-{id}", {"RouteTableId": "rtb-{id}"}, id="{hex:17}", replaces="VpcId"),
    "AWS::EC2::SecurityGroup": Recorded(
        "sg-{id}",
        {"GroupId": "sg-{id}", "Id": "sg-{id}", "VpcId": "{VpcId}"},
        id="{hex:17}",
        replaces="GroupDescription GroupName VpcId",
    ),
    "AWS::EC2::SecurityGroupEgress": Recorded(
        "sgr-{id}",
        {"Id": "sgr-{id}"},
        id="{hex:17}",
        replaces="CidrIp CidrIpv6 DestinationSecurityGroupId FromPort GroupId IpProtocol ToPort",
    ),
    "AWS::EC2::SecurityGroupIngress": Recorded(
        "sgr-{id}",
        {"Id": "sgr-{id}"},
        id="{hex:17}",
        replaces="CidrIp CidrIpv6 FromPort GroupId GroupName IpProtocol SourceSecurityGroupId ToPort",
    ),
    "AWS::EC2::Subnet": Recorded(
        "subnet-{id}",
        {
            "AvailabilityZone": "{AvailabilityZone|zone}",
            "CidrBlock": "{CidrBlock}",
            "Ipv6CidrBlocks": (),
            "NetworkAclAssociationId": "aclassoc-{id}",
            "SubnetId": "subnet-{id}",
            "VpcId": "{VpcId}",
        },
        id="{hex:17}",
        replaces="AvailabilityZone AvailabilityZoneId CidrBlock VpcId",
    ),
    "AWS::EC2::SubnetNetworkAclAssociation": Recorded(
        "aclassoc-{id}", {"AssociationId": "aclassoc-{id}"}, id="{hex:17}", replaces="NetworkAclId SubnetId"
    ),
    "AWS::EC2::SubnetRouteTableAssociation": Recorded(
        "rtbassoc-{id}", {"Id": "rtbassoc-{id}"}, id="{hex:17}", replaces="RouteTableId SubnetId"
    ),
    "AWS::EC2::VPC": Recorded(
        "vpc-{id}",
        {
            "CidrBlock": "{CidrBlock}",
            "CidrBlockAssociations": ("vpc-cidr-assoc-{id}",),
            "DefaultNetworkAcl": "acl-{id}",
            "DefaultSecurityGroup": "sg-{id}",
            "Ipv6CidrBlocks": (),
            "VpcId": "vpc-{id}",
        },
        id="{hex:17}",
        replaces="CidrBlock Ipv4IpamPoolId Ipv4NetmaskLength",
    ),
    "AWS::EC2::VPCCidrBlock": Recorded(
        "vpc-cidr-assoc-{id}", {"Id": "vpc-cidr-assoc-{id}"}, id="{hex:17}", replaces="CidrBlock Ipv6CidrBlock VpcId"
    ),
    "AWS::EC2::VPCEndpoint": Recorded(
        "vpce-{id}",
        {
            "CreationTimestamp": "{moment}",
            "DnsEntries": ("Z{id}:vpce-{id}.{region}.vpce.{suffix}",),
            "Id": "vpce-{id}",
            "NetworkInterfaceIds": ("eni-{id}",),
        },
        id="{hex:17}",
        replaces="ServiceName VpcEndpointType VpcId",
    ),
    "AWS::EC2::VPCGatewayAttachment": Recorded("IGW|{VpcId}", {"AttachmentType": "IGW"}, replaces="VpcId"),
    "AWS::EC2::VPCPeeringConnection": Recorded(
        "pcx-{id}", {"Id": "pcx-{id}"}, id="{hex:17}", replaces="PeerOwnerId PeerRegion PeerVpcId VpcId"
    ),
    "AWS::ElasticLoadBalancingV2::Listener": Recorded(
        "{LoadBalancerArn}/listener/{id}",
        {"ListenerArn": "{LoadBalancerArn}/listener/{id}"},
        id="{hex:16}",
        replaces="LoadBalancerArn",
    ),
    "AWS::ElasticLoadBalancingV2::ListenerRule": Recorded(
        "{ListenerArn}/rule/{id}",
        {"IsDefault": "false", "RuleArn": "{ListenerArn}/rule/{id}"},
        id="{hex:16}",
        replaces="ListenerArn",
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": Recorded(
        arn("elasticloadbalancing", "loadbalancer/app/{name}/{id}"),
        {
            "CanonicalHostedZoneID": "Z{id}",
            "DNSName": "{name}-{id}.{region}.elb.{suffix}",
            "LoadBalancerArn": arn("elasticloadbalancing", "loadbalancer/app/{name}/{id}"),
            "LoadBalancerFullName": "app/{name}/{id}",
            "LoadBalancerName": "{name}",
        },
        name="Name",
        longest=32,
        id="{hex:16}",
        replaces="Scheme Type",
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": Recorded(
        arn("elasticloadbalancing", "targetgroup/{name}/{id}"),
        {
            "LoadBalancerArns": (),
            "TargetGroupArn": arn("elasticloadbalancing", "targetgroup/{name}/{id}"),
            "TargetGroupFullName": "targetgroup/{name}/{id}",
            "TargetGroupName": "{name}",
        },
        name="Name",
        longest=32,
        id="{hex:16}",
        replaces="Port Protocol ProtocolVersion TargetType VpcId",
    ),
    "AWS::Route53::HealthCheck": Recorded("{id}", {"HealthCheckId": "{id}"}, id="{uuid}"),
    "AWS::Route53::HostedZone": Recorded(
        "Z{id}",
        {
            "Id": "Z{id}",
            "NameServers": (
                "ns-1.awsdns-01.com",
                "ns-2.awsdns-02.net",
                "ns-3.awsdns-03.org",
                "ns-4.awsdns-04.co.uk",
            ),
        },
        id="{upper:20}",
        replaces="Name",
    ),
    "AWS::Route53::RecordSet": Recorded(
        "{Name}", replaces="HostedZoneId HostedZoneName Name", says="no name leads here by it"
    ),
    "AWS::Route53::RecordSetGroup": Recorded(
        attributes={"Id": "{name}"}, replaces="HostedZoneId HostedZoneName", says="no name leads here by it"
    ),
    "AWS::ServiceDiscovery::HttpNamespace": Recorded(
        "ns-{id}",
        {"Arn": arn("servicediscovery", "namespace/ns-{id}"), "Id": "ns-{id}"},
        id="{lower:16}",
        replaces="Name",
    ),
    "AWS::ServiceDiscovery::PrivateDnsNamespace": Recorded(
        "ns-{id}",
        {"Arn": arn("servicediscovery", "namespace/ns-{id}"), "HostedZoneId": "Z{id}", "Id": "ns-{id}"},
        id="{lower:16}",
        replaces="Name Vpc",
    ),
    "AWS::ServiceDiscovery::Service": Recorded(
        "srv-{id}",
        {"Arn": arn("servicediscovery", "service/srv-{id}"), "Id": "srv-{id}", "Name": "{Name}"},
        id="{lower:16}",
        replaces="Name NamespaceId Type",
    ),
    "AWS::WAFv2::IPSet": Recorded(
        "{name}|{id}|{Scope}",
        {"Arn": arn("wafv2", "{scope}/ipset/{name}/{id}"), "Id": "{id}"},
        name="Name",
        longest=128,
        id="{uuid}",
        replaces="Scope",
    ),
    "AWS::WAFv2::LoggingConfiguration": Recorded("{ResourceArn}", replaces="ResourceArn"),
    "AWS::WAFv2::RegexPatternSet": Recorded(
        "{name}|{id}|{Scope}",
        {"Arn": arn("wafv2", "{scope}/regexpatternset/{name}/{id}"), "Id": "{id}"},
        name="Name",
        longest=128,
        id="{uuid}",
        replaces="Scope",
    ),
    "AWS::WAFv2::RuleGroup": Recorded(
        "{name}|{id}|{Scope}",
        {
            "Arn": arn("wafv2", "{scope}/rulegroup/{name}/{id}"),
            "Id": "{id}",
            "LabelNamespace": "awswaf:{account}:rulegroup:{name}:",
        },
        name="Name",
        longest=128,
        id="{uuid}",
        replaces="Scope",
    ),
    "AWS::WAFv2::WebACL": Recorded(
        "{name}|{id}|{Scope}",
        {
            "Arn": arn("wafv2", "{scope}/webacl/{name}/{id}"),
            "Capacity": "1",
            "Id": "{id}",
            "LabelNamespace": "awswaf:{account}:webacl:{name}:",
        },
        name="Name",
        longest=128,
        id="{uuid}",
        replaces="Scope",
    ),
}
