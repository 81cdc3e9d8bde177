"""The contract that plugin authors import. Imports nothing else of Headwater."""

from .connector import (Connector, Features, Finding, HasGenerations, Progress, Sink, SinkConnector, Source, SourceConnector, TaskConfig, TaskContext)
from .errors import (ConfigError, DataError, Fatal, Fenced, HeadwaterError, Problem, Retriable)
from .fingerprint import (BUCKETS, Fingerprint, bucket, digest)
from .generations import (ExpectedRow, GenerationInfo, Generations, HasSourceRows, Reader, SourceRows)
from .options import (Option, OptionType, Options, REQUIRED, Unsupported, Values, at_least, parse_value, regular_expression)
from .pipeline import (Converter, Encoder, Predicate, SchemaAndValue, Transform)
from .record import (Batch, Header, Partition, Position, Record, SinkBatch, TopicPartition, TopicSettings, VERSION_HEADER)
from .schema import (DATE, DECIMAL, Field, NO_DEFAULT, Schema, TIME, TIMESTAMP, Type, array, decimal, mapping, primitive, struct)

__all__ = ["BUCKETS", "Batch", "ConfigError", "Connector", "Converter", "DATE", "DECIMAL", "DataError", "Encoder", "ExpectedRow", "Fatal", "Features", "Fenced", "Field", "Finding", "Fingerprint", "GenerationInfo", "Generations", "HasGenerations", "HasSourceRows", "Header", "HeadwaterError", "NO_DEFAULT", "Option", "OptionType", "Options", "Partition", "Position", "Predicate", "Problem", "Progress", "REQUIRED", "Reader", "Record", "Retriable", "Schema", "SchemaAndValue", "Sink", "SinkBatch", "SinkConnector", "Source", "SourceConnector", "SourceRows", "TIME", "TIMESTAMP", "TaskConfig", "TaskContext", "TopicPartition", "TopicSettings", "Transform", "Type", "Unsupported", "VERSION_HEADER", "Values", "array", "at_least", "bucket", "decimal", "digest", "mapping", "parse_value", "primitive", "regular_expression", "struct"]
