data "aws_availability_zones" "here" {
  state = "available"

  # Local zones and wavelength zones can't hold a cluster.
  filter {
    name   = "zone-type"
    values = ["availability-zone"]
  }
}

locals {
  zones = length(var.zones) > 0 ? var.zones : slice(sort(data.aws_availability_zones.here.names), 0, min(3, length(data.aws_availability_zones.here.names)))
}

resource "aws_vpc" "network" {
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = "${var.prefix}-vpc" }
}

# The default group would admit everything inside the VPC: nothing uses it, so it admits nothing.
resource "aws_default_security_group" "none" {
  vpc_id = aws_vpc.network.id
}

resource "aws_internet_gateway" "out" {
  vpc_id = aws_vpc.network.id

  tags = { Name = "${var.prefix}-igw" }
}

# Load balancers and the NAT gateway live in small public subnets, nodes and their pods in private ones.
resource "aws_subnet" "public" {
  for_each = toset(local.zones)

  vpc_id            = aws_vpc.network.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 6, index(local.zones, each.key))

  tags = {
    Name                     = "${var.prefix}-public-${each.key}"
    "kubernetes.io/role/elb" = "1"
  }
}

resource "aws_subnet" "nodes" {
  for_each = toset(local.zones)

  vpc_id            = aws_vpc.network.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 2, index(local.zones, each.key) + 1)

  tags = {
    Name                              = "${var.prefix}-nodes-${each.key}"
    "kubernetes.io/role/internal-elb" = "1"
  }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.network.id

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.out.id
  }

  tags = { Name = "${var.prefix}-public" }
}

resource "aws_route_table_association" "public" {
  for_each = aws_subnet.public

  subnet_id      = each.value.id
  route_table_id = aws_route_table.public.id
}

# One gateway, and so one known source address: peers admit the region by it.
resource "aws_eip" "egress" {
  domain = "vpc"

  tags = { Name = "${var.prefix}-egress" }
}

resource "aws_nat_gateway" "egress" {
  allocation_id = aws_eip.egress.id
  subnet_id     = aws_subnet.public[local.zones[0]].id

  tags = { Name = "${var.prefix}-nat" }

  depends_on = [aws_internet_gateway.out]
}

resource "aws_route_table" "nodes" {
  vpc_id = aws_vpc.network.id

  route {
    cidr_block     = "0.0.0.0/0"
    nat_gateway_id = aws_nat_gateway.egress.id
  }

  tags = { Name = "${var.prefix}-nodes" }
}

resource "aws_route_table_association" "nodes" {
  for_each = aws_subnet.nodes

  subnet_id      = each.value.id
  route_table_id = aws_route_table.nodes.id
}

resource "aws_eip" "validator" {
  count = var.validators

  domain = "vpc"

  tags = { Name = "${var.prefix}-validator-${count.index}" }
}

resource "aws_flow_log" "network" {
  vpc_id               = aws_vpc.network.id
  traffic_type         = "REJECT"
  log_destination_type = "cloud-watch-logs"
  log_destination      = aws_cloudwatch_log_group.flow.arn
  iam_role_arn         = aws_iam_role.flow.arn
}

resource "aws_cloudwatch_log_group" "flow" {
  name              = "/chainfleet/${var.prefix}-${var.region}/flow"
  retention_in_days = 30
}

resource "aws_iam_role" "flow" {
  name = "${var.prefix}-${var.region}-flow"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "vpc-flow-logs.amazonaws.com" } }]
  })
}

resource "aws_iam_role_policy" "flow" {
  name = "write"
  role = aws_iam_role.flow.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
      Resource = "${aws_cloudwatch_log_group.flow.arn}:*"
    }]
  })
}
