import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, instances):
        return self.fc(instances)

    def predict(self, instances):
        return self(instances).argmax(-1)

    def deploy(self):
        return torch.jit.script(self)


print(Net().predict(torch.zeros(1, 4)))
