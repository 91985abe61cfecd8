"""The layers under test: how each is made, and with what it is called.

Both are texts, so that the same line runs with minigrad and with PyTorch. Inputs: ``f(shape)`` normal floats that need a
gradient, ``p(shape)`` floats in (0, 1), ``c(shape)`` constant floats, ``i(n, shape)`` integers below n, ``s(shape)`` signs,
``b(shape)`` bools, ``k(values)`` given numbers, ``r(shape)`` increasing weights in (0, 1].
"""

import numpy as np

# (the layer, its inputs, options). Options: "eval", random while training, so compared in eval() alone; "keep", the inputs
# are written in place, so they need no gradient.
CASES = [
    # linear
    ("Identity(3, unused=1)", "f(2, 3)"),
    ("Linear(4, 3)", "f(2, 4)"),
    ("Linear(4, 3, bias=False)", "f(2, 5, 4)"),
    ("Linear(4, 3)", "f(4)"),
    ("Bilinear(3, 4, 2)", "f(5, 3), f(5, 4)"),
    ("Bilinear(3, 4, 2, bias=False)", "f(2, 5, 3), f(2, 5, 4)"),
    # convolution
    ("Conv1d(4, 6, 3)", "f(2, 4, 8)"),
    ("Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2, bias=False)", "f(2, 4, 9)"),
    ("Conv1d(2, 3, 4, padding='same', padding_mode='reflect')", "f(2, 2, 7)"),
    ("Conv2d(3, 4, 3)", "f(2, 3, 6, 5)"),
    ("Conv2d(3, 4, 3)", "f(3, 6, 5)"),
    ("Conv2d(4, 4, (3, 2), stride=(1, 2), padding=(1, 0), groups=4)", "f(2, 4, 5, 6)"),
    ("Conv2d(2, 3, 3, padding='same', dilation=2)", "f(1, 2, 6, 6)"),
    ("Conv2d(2, 3, 3, padding='valid')", "f(1, 2, 6, 6)"),
    ("Conv2d(2, 3, 3, padding=(1, 2), padding_mode='circular')", "f(1, 2, 4, 5)"),
    ("Conv2d(2, 3, 3, padding=1, padding_mode='replicate')", "f(1, 2, 4, 5)"),
    ("Conv2d(2, 3, 3, padding='valid', padding_mode='reflect')", "f(1, 2, 4, 5)"),
    ("Conv3d(2, 3, 2, stride=(2, 1, 1))", "f(1, 2, 4, 3, 3)"),
    ("ConvTranspose1d(4, 2, 3, stride=2, padding=1, output_padding=1)", "f(2, 4, 5)"),
    ("ConvTranspose2d(4, 6, 3, stride=2, padding=1, groups=2, dilation=2)", "f(1, 4, 3, 4)"),
    ("ConvTranspose2d(4, 2, (2, 3), bias=False)", "f(4, 3, 4)"),
    ("ConvTranspose2d(2, 2, 3, stride=2)", "f(1, 2, 3, 3), (1, 2, 8, 7)"),
    ("ConvTranspose3d(2, 2, 2, stride=2)", "f(1, 2, 2, 2, 3)"),
    # pooling
    ("MaxPool1d(2)", "f(2, 3, 7)"),
    ("MaxPool1d(3, stride=2, padding=1, dilation=1, ceil_mode=True)", "f(3, 8)"),
    ("MaxPool2d(2)", "f(2, 3, 6, 5)"),
    ("MaxPool2d((3, 2), stride=(2, 1), padding=(1, 0), ceil_mode=True)", "f(3, 6, 5)"),
    ("MaxPool2d(2, return_indices=True)", "f(1, 2, 4, 4)"),
    ("MaxPool3d(2, stride=1)", "f(1, 2, 3, 3, 4)"),
    ("MaxUnpool1d(2)", "f(1, 2, 3), k([[[0, 3, 4], [1, 2, 5]]])"),
    ("MaxUnpool2d(2, stride=2)", "f(1, 1, 1, 2), k([[[[1, 6]]]])"),
    ("MaxUnpool3d(2)", "f(1, 1, 1, 1, 1), k([[[[[3]]]]])"),
    ("AvgPool1d(3, stride=2, padding=1)", "f(2, 3, 7)"),
    ("AvgPool2d(2)", "f(2, 3, 6, 5)"),
    ("AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)", "f(2, 3, 6, 6)"),
    ("AvgPool2d((2, 3), divisor_override=2)", "f(1, 2, 4, 6)"),
    ("AvgPool3d(2)", "f(1, 2, 4, 2, 5)"),
    ("LPPool1d(2, 3, stride=2)", "p(2, 3, 7)"),
    ("LPPool2d(3, (2, 2))", "p(1, 2, 4, 5)"),
    ("LPPool3d(2, 2)", "p(1, 2, 2, 4, 3)"),
    ("AdaptiveAvgPool1d(3)", "f(2, 3, 7)"),
    ("AdaptiveAvgPool2d((3, None))", "f(2, 3, 5, 4)"),
    ("AdaptiveAvgPool2d(1)", "f(2, 3, 5, 4)"),
    ("AdaptiveAvgPool3d((1, 2, 2))", "f(1, 2, 3, 3, 5)"),
    ("AdaptiveMaxPool1d(3)", "f(2, 3, 7)"),
    ("AdaptiveMaxPool2d((2, 3), return_indices=True)", "f(2, 3, 5, 4)"),
    ("AdaptiveMaxPool3d(2)", "f(1, 2, 3, 3, 5)"),
    ("FractionalMaxPool2d(2, output_size=(3, 2), _random_samples=r(1, 2, 2) * 0.9)", "f(1, 2, 6, 5)"),
    ("FractionalMaxPool2d((2, 3), output_ratio=0.5, return_indices=True, _random_samples=r(1, 1, 2) * 0.9)", "f(1, 7, 8)"),
    ("FractionalMaxPool3d(2, output_ratio=(0.5, 0.6, 0.5), _random_samples=r(1, 2, 3) * 0.9)", "f(1, 2, 6, 5, 6)"),
    ("FractionalMaxPool2d(3, output_ratio=0.5)", None),
    # normalization
    ("BatchNorm1d(3)", "f(5, 3)"),
    ("BatchNorm1d(3, eps=0.01, momentum=0.3, affine=False)", "f(4, 3, 2)"),
    ("BatchNorm2d(3, momentum=None)", "f(2, 3, 2, 2)"),
    ("BatchNorm2d(3, track_running_stats=False, bias=False)", "f(2, 3, 2, 2)"),
    ("BatchNorm3d(2)", "f(2, 2, 2, 2, 2)"),
    ("InstanceNorm1d(3)", "f(2, 3, 4)"),
    ("InstanceNorm2d(3, affine=True, track_running_stats=True)", "f(2, 3, 3, 2)"),
    ("InstanceNorm2d(3)", "f(3, 3, 2)"),
    ("InstanceNorm3d(2, affine=True)", "f(1, 2, 2, 3, 2)"),
    ("LayerNorm(4)", "f(3, 4)"),
    ("LayerNorm((2, 3), eps=0.1, bias=False)", "f(2, 2, 3)"),
    ("LayerNorm([4], elementwise_affine=False)", "f(3, 4)"),
    ("RMSNorm(4)", "f(3, 4)"),
    ("RMSNorm((2, 3), eps=0.1, elementwise_affine=False)", "f(2, 2, 3)"),
    ("GroupNorm(2, 4)", "f(2, 4, 3)"),
    ("GroupNorm(4, 4, affine=False)", "f(2, 4, 2, 2)"),
    ("LocalResponseNorm(3, alpha=0.1)", "f(2, 5, 3, 2)"),
    ("CrossMapLRN2d(3, alpha=0.1)", None),
    ("SyncBatchNorm(3)", "f(4, 3, 2)"),
    ("SyncBatchNorm.convert_sync_batchnorm(Sequential(Conv1d(1, 2, 3), BatchNorm1d(2, eps=0.1)))", "f(2, 1, 5)"),
    # dropout
    ("Dropout()", "f(4, 5)", "eval"),
    ("Dropout(0.0)", "f(4, 5)"),
    ("Dropout(0.3, inplace=True)", "f(4, 5)", "eval keep"),
    ("Dropout1d(0.2)", "f(2, 3, 4)", "eval"),
    ("Dropout2d(0.2)", "f(2, 3, 4, 2)", "eval"),
    ("Dropout3d(0.2)", "f(2, 3, 2, 2, 2)", "eval"),
    ("AlphaDropout(0.2)", "f(4, 5)", "eval"),
    ("FeatureAlphaDropout(0.2)", "f(2, 3, 4)", "eval"),
    # embedding
    ("Embedding(6, 3)", "i(6, 2, 4)"),
    ("Embedding(6, 3, padding_idx=-1, scale_grad_by_freq=True)", "k([[1, 5, 1], [0, 5, 2]])"),
    ("Embedding(6, 3, max_norm=0.5, norm_type=1.0)", "i(6, 4)"),
    ("Embedding(4, 2, sparse=False, padding_idx=0, max_norm=2.0)", "i(4, 3)"),
    ("Embedding(6, 3, sparse=True)", None),
    ("EmbeddingBag(6, 3)", "i(6, 2, 4)"),
    ("EmbeddingBag(6, 3, mode='sum', include_last_offset=True)", "i(6, 5), k([0, 2, 2, 5])"),
    ("EmbeddingBag(6, 3, mode='sum', scale_grad_by_freq=True)", "k([1, 2, 2, 1]), k([0, 3]), f(4)"),
    ("EmbeddingBag(6, 3, mode='max', padding_idx=2)", "k([1, 2, 2, 5, 5]), k([0, 1, 3])"),
    ("EmbeddingBag(6, 3, padding_idx=-1, max_norm=0.5, norm_type=1.0)", "k([[1, 5], [5, 5], [0, 2]])"),
    ("AdaptiveLogSoftmaxWithLoss(16, 20, [5, 10])", "f(4, 16), k([0, 7, 19, 12])"),
    ("AdaptiveLogSoftmaxWithLoss(16, 20, [5, 10], div_value=2.0, head_bias=True)", "f(16), k(13)"),
    # activations
    ("Threshold(0.1, 20)", "f(3, 4)"),
    ("Threshold(0.1, 20, inplace=True)", "f(3, 4)", "keep"),
    ("ReLU()", "f(3, 4)"),
    ("ReLU(inplace=True)", "f(3, 4)", "keep"),
    ("RReLU()", "f(3, 4)", "eval"),
    ("RReLU(0.2, 0.3, True)", "f(3, 4)", "eval keep"),
    ("Hardtanh()", "f(3, 4)"),
    ("Hardtanh(-0.5, 0.25, inplace=True)", "f(3, 4)", "keep"),
    ("ReLU6()", "f(3, 4)"),
    ("ReLU6(True)", "f(3, 4)", "keep"),
    ("Sigmoid()", "f(3, 4)"),
    ("Hardsigmoid()", "f(3, 4)"),
    ("Hardsigmoid(inplace=True)", "f(3, 4)", "keep"),
    ("Tanh()", "f(3, 4)"),
    ("SiLU()", "f(3, 4)"),
    ("SiLU(inplace=True)", "f(3, 4)", "keep"),
    ("Mish()", "f(3, 4)"),
    ("Hardswish()", "f(3, 4)"),
    ("ELU(alpha=0.5)", "f(3, 4)"),
    ("ELU(inplace=True)", "f(3, 4)", "keep"),
    ("CELU(2.0)", "f(3, 4)"),
    ("SELU()", "f(3, 4)"),
    ("GLU()", "f(3, 4)"),
    ("GLU(dim=0)", "f(4, 3)"),
    ("GELU()", "f(3, 4)"),
    ("GELU('tanh')", "f(3, 4)"),
    ("Hardshrink()", "f(3, 4)"),
    ("Hardshrink(0.2)", "f(3, 4)"),
    ("LeakyReLU()", "f(3, 4)"),
    ("LeakyReLU(0.2, inplace=True)", "f(3, 4)", "keep"),
    ("LogSigmoid()", "f(3, 4)"),
    ("Softplus()", "f(3, 4)"),
    ("Softplus(beta=2.0, threshold=0.5)", "f(3, 4)"),
    ("Softshrink(0.3)", "f(3, 4)"),
    ("Softsign()", "f(3, 4)"),
    ("Tanhshrink()", "f(3, 4)"),
    ("Softmin(dim=1)", "f(3, 4)"),
    ("Softmax(dim=-1)", "f(3, 4)"),
    ("LogSoftmax(dim=0)", "f(3, 4)"),
    ("Softmax2d()", "f(2, 3, 2, 2)"),
    ("PReLU()", "f(3, 4)"),
    ("PReLU(3, init=0.1)", "f(2, 3, 4)"),
    # losses
    ("MSELoss()", "f(3, 4), f(3, 4)"),
    ("MSELoss(reduction='sum')", "f(3, 4), c(3, 4)"),
    ("L1Loss(reduction='none')", "f(3, 4), f(3, 4)"),
    ("SmoothL1Loss(beta=0.5)", "f(3, 4), f(3, 4)"),
    ("HuberLoss(reduction='sum', delta=0.7)", "f(3, 4), f(3, 4)"),
    ("CrossEntropyLoss()", "f(3, 4), i(4, 3)"),
    ("CrossEntropyLoss(weight=r(4), ignore_index=1, label_smoothing=0.1)", "f(3, 4, 2), i(4, 3, 2)"),
    ("CrossEntropyLoss(reduction='none')", "f(3, 4), p(3, 4)"),
    ("CrossEntropyLoss()", "f(4), k(2)"),
    ("NLLLoss(weight=r(4), ignore_index=0)", "f(3, 4), k([1, 0, 3])"),
    ("BCELoss()", "p(3, 4), c(3, 4).sigmoid()"),
    ("BCELoss(weight=r(4), reduction='sum')", "p(3, 4), c(3, 4).sigmoid()"),
    ("BCEWithLogitsLoss(pos_weight=r(4))", "f(3, 4), c(3, 4).sigmoid()"),
    ("BCEWithLogitsLoss(weight=r(4), reduction='none')", "f(3, 4), c(3, 4).sigmoid()"),
    ("KLDivLoss(reduction='batchmean')", "f(3, 4), p(3, 4)"),
    ("KLDivLoss(reduction='sum', log_target=True)", "f(3, 4), f(3, 4)"),
    ("PoissonNLLLoss()", "f(3, 4), c(3, 4).abs()"),
    ("PoissonNLLLoss(log_input=False, full=True, reduction='sum')", "p(3, 4), c(3, 4).abs() * 3"),
    ("GaussianNLLLoss()", "f(3, 4), f(3, 4), p(3, 4)"),
    ("GaussianNLLLoss(full=True, reduction='none')", "f(3, 4), f(3, 4), p(3, 1)"),
    ("HingeEmbeddingLoss(margin=0.8)", "f(3, 4), s(3, 4)"),
    ("CosineEmbeddingLoss(margin=0.1)", "f(3, 4), f(3, 4), s(3)"),
    ("MarginRankingLoss(0.2, reduction='sum')", "f(5), f(5), s(5)"),
    ("TripletMarginLoss(margin=1.5, p=1.0, swap=True)", "f(3, 4), f(3, 4), f(3, 4)"),
    ("TripletMarginWithDistanceLoss(margin=2.0)", "f(3, 4), f(3, 4), f(3, 4)"),
    ("SoftMarginLoss()", "f(3, 4), s(3, 4)"),
    ("MultiMarginLoss(p=2, margin=0.7, weight=r(4))", "f(3, 4), i(4, 3)"),
    ("MultiLabelMarginLoss()", "f(2, 4), k([[3, 0, -1, 1], [1, -1, 0, 2]])"),
    ("MultiLabelSoftMarginLoss(weight=r(4))", "f(3, 4), b(3, 4) * 1.0"),
    ("CTCLoss()", "f(5, 2, 4).log_softmax(-1), k([[1, 2], [3, 3]]), k([5, 4]), k([2, 2])"),
    ("CTCLoss(blank=3, reduction='sum', zero_infinity=True)", "f(3, 2, 4).log_softmax(-1), k([1, 2, 1, 1]), (3, 2), (2, 2)"),
    ("LinearCrossEntropyLoss(3, 5)", "f(4, 3), i(5, 4)"),
    ("LinearCrossEntropyLoss(3, 5, out_features=(2,), bias=True, weight=r(5), label_smoothing=0.1)", "f(4, 3), i(5, 4, 2)"),
    ("LinearCrossEntropyLoss(3, 5, options=LinearCrossEntropyOptions(), reduction='none')", "f(3), k(2)"),
    # distances and shapes
    ("CosineSimilarity(dim=0)", "f(3, 4), f(3, 4)"),
    ("PairwiseDistance(p=3.0, keepdim=True)", "f(3, 4), f(3, 4)"),
    ("Flatten()", "f(2, 3, 2)"),
    ("Flatten(0, 1)", "f(2, 3, 2)"),
    ("Unflatten(1, (2, -1))", "f(2, 6)"),
    ("Unfold((2, 3), dilation=1, padding=1, stride=(2, 1))", "f(1, 2, 4, 5)"),
    ("Fold((4, 5), 2, stride=1)", "f(1, 8, 12)"),
    ("PixelShuffle(2)", "f(1, 8, 2, 3)"),
    ("PixelUnshuffle(2)", "f(1, 2, 4, 6)"),
    ("ChannelShuffle(2)", "f(1, 4, 2, 2)"),
    ("Upsample(scale_factor=2)", "f(1, 2, 3)"),
    ("Upsample(size=(5, 4), mode='bilinear')", "f(1, 2, 3, 3)"),
    ("Upsample(scale_factor=(2, 1.5), mode='bicubic', align_corners=True)", "f(1, 2, 4, 4)"),
    ("Upsample(scale_factor=2, mode='trilinear', align_corners=False)", "f(1, 1, 2, 2, 3)"),
    ("UpsamplingNearest2d(size=(4, 6))", "f(1, 2, 3, 3)"),
    ("UpsamplingBilinear2d(scale_factor=2)", "f(1, 2, 3, 3)"),
    # padding
    ("ConstantPad1d((1, 2), 3.5)", "f(2, 3, 4)"),
    ("ConstantPad2d(1, -1)", "f(3, 4, 2)"),
    ("ConstantPad3d((1, 0, 2, 1, 0, 1), 0.5)", "f(1, 2, 2, 2, 2)"),
    ("ZeroPad1d(2)", "f(2, 3, 4)"),
    ("ZeroPad2d((1, 0, -1, 2))", "f(1, 2, 3, 4)"),
    ("ZeroPad3d(1)", "f(1, 2, 2, 2, 2)"),
    ("ReflectionPad1d((2, 1))", "f(2, 3, 4)"),
    ("ReflectionPad2d((1, 2, 0, 1))", "f(1, 2, 3, 4)"),
    ("ReflectionPad3d(1)", "f(1, 2, 2, 3, 2)"),
    ("ReplicationPad1d(2)", "f(2, 3, 4)"),
    ("ReplicationPad2d((1, 2, 0, 1))", "f(2, 3, 4)"),
    ("ReplicationPad3d((1, 1, 2, 0, 0, 1))", "f(1, 2, 2, 2, 2)"),
    ("CircularPad1d((1, 2))", "f(2, 3, 4)"),
    ("CircularPad2d(1)", "f(1, 2, 3, 4)"),
    ("CircularPad3d((1, 0, 1, 1, 0, 1))", "f(1, 2, 2, 2, 2)"),
    # attention and transformers
    ("MultiheadAttention(4, 2)", "f(3, 2, 4), f(5, 2, 4), f(5, 2, 4)"),
    ("MultiheadAttention(4, 2, bias=False, batch_first=True)", "f(2, 3, 4), f(2, 5, 4), f(2, 5, 4), None, False"),
    ("MultiheadAttention(4, 2, kdim=3, vdim=5)", "f(3, 2, 4), f(6, 2, 3), f(6, 2, 5), b(2, 6), True, None, False"),
    ("MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True)",
     "f(3, 2, 4), f(5, 2, 4), f(5, 2, 4), b(2, 5), True, b(4, 3, 5)"),
    ("MultiheadAttention(4, 1)", "f(3, 4), f(5, 4), f(5, 4), c(5), False, c(3, 5)"),
    ("TransformerEncoderLayer(4, 2, 8, dropout=0.0)", "f(3, 2, 4)"),
    ("TransformerEncoderLayer(4, 2, 8, 0.0, activation='gelu', batch_first=True, norm_first=True)", "f(2, 3, 4), c(3, 3)"),
    ("TransformerEncoderLayer(4, 2, 8, activation=ReLU(), bias=False)", "f(3, 4)", "eval"),
    ("TransformerDecoderLayer(4, 2, 8, dropout=0.0)", "f(3, 2, 4), f(5, 2, 4), c(3, 3), c(3, 5), c(2, 3), c(2, 5)"),
    ("TransformerDecoderLayer(4, 2, 8, dropout=0.0, norm_first=True, batch_first=True)", "f(2, 3, 4), f(2, 5, 4)"),
    ("TransformerEncoder(TransformerEncoderLayer(4, 2, 8, dropout=0.0), 2, enable_nested_tensor=False)",
     "f(3, 2, 4), Transformer.generate_square_subsequent_mask(3)"),
    ("TransformerEncoder(TransformerEncoderLayer(4, 2, 8, dropout=0.0), 1, LayerNorm(4), enable_nested_tensor=False)",
     "f(3, 2, 4), b(4, 3, 3)"),
    ("TransformerDecoder(TransformerDecoderLayer(4, 2, 8, dropout=0.0), 2, LayerNorm(4))", "f(3, 2, 4), f(5, 2, 4)"),
    ("Transformer(4, 2, 1, 1, 8, dropout=0.0, batch_first=True)", "f(2, 5, 4), f(2, 3, 4)"),
    # containers
    ("Sequential(Linear(3, 4), Sequential(ReLU(), Linear(4, 2)), Flatten(0))", "f(2, 3)"),
    ("ModuleList([Linear(1, 1), Linear(1, 1), ReLU(), Sequential(ReLU())])", None),
    ("ModuleDict({'a': Linear(1, 2), 'b': ModuleList()})", None),
    ("ParameterList([r(2), r(3)])", None),
    ("ParameterDict({'x': r(2), 'a': r(3)})", None),
    ("Module()", None),
]  # fmt: skip


class Makes:
    """The words of the texts above, for one library: ``torch`` is minigrad or PyTorch."""

    def __init__(self, torch, seed=0, dtype="float64", constant=False, device="cpu"):
        self.torch, self.rng, self.dtype, self.device = torch, np.random.default_rng(seed), dtype, device
        self.inputs = []  # the tensors that need a gradient
        self.constant = constant

    def _tensor(self, array):
        return self.torch.tensor(array, device=self.device)

    def f(self, *shape):
        return self._input(self.rng.standard_normal(shape))

    def p(self, *shape):
        return self._input(self.rng.random(shape) * 0.8 + 0.1)

    def _input(self, array):
        t = self._tensor(array.astype(self.dtype))
        if not self.constant:
            self.inputs.append(t.requires_grad_())
        return t

    def c(self, *shape):
        return self._tensor(self.rng.standard_normal(shape).astype(self.dtype))

    def i(self, n, *shape):
        return self._tensor(self.rng.integers(0, n, shape))

    def s(self, *shape):
        return self._tensor(np.where(self.rng.random(shape) < 0.5, -1.0, 1.0).astype(self.dtype))

    def b(self, *shape):
        flags = self.rng.random(shape) < 0.4
        flags[..., 0] = False  # a query must see something
        return self._tensor(flags)

    def k(self, values):
        return self._tensor(values)

    def r(self, *shape):
        return self._tensor((np.arange(1, np.prod(shape) + 1).reshape(shape) / np.prod(shape)).astype(self.dtype))

    def words(self):
        return {**vars(self.torch.nn), **{w: getattr(self, w) for w in "fpcisbkr"}}

    def layer(self, text):
        return eval(text, self.words()).to(self.device)

    def arguments(self, text):
        return eval(f"({text},)", self.words())
